"""A request that was sent, as a command that sends it again."""

import shlex
from collections.abc import Mapping
from typing import Any

from hub.lib.redaction import MASK

#: What curl works out by itself; the length of a body that was masked or cut would be wrong.
OWN = {"content-length", "host", "connection", "accept-encoding", "transfer-encoding"}


def curl(exchange: Any) -> str:
    """Return an exchange of the integration log (a dict or an ``Exchange``) as a curl command.

    Secrets were masked when the exchange was written, so they are missing here too; a first line says so.
    """
    method, url = str(_get(exchange, "method") or "GET"), str(_get(exchange, "url"))
    headers: Mapping[str, Any] = _get(exchange, "request_headers") or {}
    lines = [f"curl --request {shlex.quote(method)} {shlex.quote(url)}"]
    for name, value in headers.items():
        if name.lower() not in OWN:
            lines.append(f"--header {shlex.quote(f'{name}: {value}')}")
    if body := _get(exchange, "request_body"):
        lines.append(f"--data-raw {shlex.quote(str(body))}")
    command = " \\\n  ".join(lines)
    return f"# {MASK} stands for a secret: put yours in its place\n{command}" if MASK in command else command


def _get(exchange: Any, name: str) -> Any:
    return exchange.get(name) if isinstance(exchange, Mapping) else getattr(exchange, name)
