"""The one door by which the hub's requests leave.

``send`` checks the request, connects only to checked addresses, follows no redirect, keeps no
cookie, and reads no more than the policy allows, for no longer than it allows. The wire itself is
``hub.lib.wire``: requests would keep cookies of one integration for the next, read the body of a
redirect without a limit, and cost several times the delivery around it.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from hub import __version__
from hub.lib import addresses, wire
from hub.lib.addresses import (
    AddressRefused,
    BadRequest,
    ConnectFailed,
    OutboundError,
    ResponseTooLarge,
    TimedOut,
    TLSFailed,
)

__all__ = [
    "AddressRefused",
    "BadRequest",
    "ConnectFailed",
    "Door",
    "OutboundError",
    "Policy",
    "Response",
    "ResponseTooLarge",
    "TLSFailed",
    "TimedOut",
    "send",
]

USER_AGENT = f"Interchange/{__version__}"
_DEFAULTS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"}

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?:[/?][A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?")
_METHOD = re.compile(r"[A-Z]{3,12}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: Headers that frame or route the request; they are the door's own.
_OWN_HEADERS = frozenset(
    {"content-length", "transfer-encoding", "connection", "host", "te", "trailer", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one integration's requests may do.

    ``allowed_hosts``: ``host`` or ``host:port`` on private networks that may be reached.
    Timeouts in seconds: to connect, between two reads, and for the whole. Sizes in bytes.
    """

    allowed_hosts: frozenset[str] = frozenset()
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_response_bytes: int = 5 * 1024 * 1024
    total_timeout: float = 60.0

    def allows(self, host: str, port: int) -> bool:
        """Whether ``host`` may be on a private network."""
        return host in self.allowed_hosts or f"{host}:{port}" in self.allowed_hosts


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are lower case; several of one name are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    url: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8, whatever is wrong in it replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON; raise ValueError where it is none."""
        return orjson.loads(self.body)


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    policy: Policy,
    ready: Callable[[], None] | None = None,
) -> Response:
    """Send one request and return its answer, whatever its status; raise OutboundError.

    A redirect is not followed: it is the answer. ``ready`` is called when the connection is open, just before
    the request leaves; it may wait, and what it raises stops the request.
    """
    return _door.send(method, url, headers, body, policy, ready)


class Door:
    """Sends requests over pooled connections. Safe for many threads.

    What an admin allowed by name has connections of its own: a pooled one is only ever reused by a
    policy that would have let it be opened.
    """

    def __init__(self, cafile: str | None = None):
        """``cafile``: one more file of certificate authorities to trust."""
        self._pool = wire.Pool(addresses.tls_context(cafile))

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        policy: Policy,
        ready: Callable[[], None] | None = None,
    ) -> Response:
        """See the module's ``send``."""
        target = _target(url)
        request = _request(method, target, headers, body)
        host = wire.Host(target.scheme, target.host, target.port, policy.allows(target.host, target.port))
        deadline = time.monotonic() + policy.total_timeout
        limits = wire.Limits(policy.connect_timeout, policy.read_timeout, deadline, policy.max_response_bytes)
        try:
            answer = self._pool.request(host, request, limits, bodiless=method == "HEAD", ready=ready)
        except (OSError, *wire.FAILURES) as error:
            raise _translated(error, target.host, policy, limits.deadline) from None
        return Response(answer.status, answer.headers, bytes(answer.body), target.url)

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.close()


@dataclass(frozen=True, slots=True)
class _Target:
    """A checked URL, taken apart: ``path`` with its query, ``netloc`` as the Host header says it."""

    url: str
    scheme: str
    host: str
    port: int
    netloc: str
    path: str


@lru_cache(maxsize=2048)
def _target(url: str) -> _Target:
    """Check a URL; raise BadRequest."""
    try:
        if not _PLAIN_URL.fullmatch(url):
            quoted = requests.PreparedRequest()
            quoted.prepare_url(url, None)
            url = quoted.url or ""
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, UnicodeError, requests.RequestException):
        raise _bad_url("is not a valid URL") from None
    if parts.scheme not in ("http", "https"):
        raise _bad_url("does not begin with https:// or http://")
    if not parts.hostname or port == 0 or any(ord(character) <= 32 for character in url):
        raise _bad_url("is not a valid URL")
    if "@" in parts.netloc:
        raise _bad_url("holds a user name or password, which belong into the integration's own fields")
    parts = parts._replace(fragment="")
    return _Target(
        url=parts.geturl(),
        scheme=parts.scheme,
        host=str(parts.hostname).rstrip("."),
        port=port or (443 if parts.scheme == "https" else 80),
        netloc=parts.netloc,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _bad_url(what: str) -> BadRequest:
    return BadRequest(
        f"The address of the request {what}; nothing was sent.",
        hint="Correct it in the integration's settings.",
    )


def _request(method: str, target: _Target, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return the request as it goes over the wire, whole: one write, and often one packet."""
    if not _METHOD.fullmatch(method):
        raise BadRequest("The request's method is not one of HTTP; nothing was sent.")
    lines = [f"{method} {target.path} HTTP/1.1", f"Host: {target.netloc}"]
    given = set()
    for name, value in headers.items():
        low = _checked_name(name)
        _check_value(name, value)
        if low == "host" and value.lower() not in (target.netloc, target.host):
            raise BadRequest("The Host header names another host than the URL; nothing was sent.")
        if low not in _OWN_HEADERS:
            lines.append(f"{name}: {value}")
            given.add(low)
    lines += [f"{name}: {value}" for name, value in _DEFAULTS.items() if name.lower() not in given]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


@lru_cache(maxsize=1024)
def _checked_name(name: str) -> str:
    """Return a header's name in lower case; raise BadRequest where it may not be set."""
    if not _HEADER_NAME.fullmatch(name):
        raise BadRequest("A header's name holds characters that may not stand there; nothing was sent.")
    if name.lower() == "transfer-encoding":
        raise BadRequest("The header Transfer-Encoding may not be set; nothing was sent.")
    return name.lower()


def _check_value(name: str, value: str) -> None:
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise BadRequest(
            f"The header {name} holds a line break or a character that may not stand in a header; "
            "nothing was sent.",
            hint="Look for a line break pasted with a key, or for letters outside Latin-1.",
        )


def _translated(error: Exception, host: str, policy: Policy, deadline: float) -> OutboundError:
    """Return the sentence for what went wrong on the wire."""
    if isinstance(error, wire.TooLarge):
        return ResponseTooLarge(
            f"The answer of {host} is longer than {policy.max_response_bytes:,} bytes and was cut off.",
            hint="Ask for fewer rows at once, or check that the address is the API's.",
        )
    if time.monotonic() >= deadline:
        return TimedOut(
            f"{host} took longer than {policy.total_timeout:g} seconds in all and was cut off.",
            hint="The hub tries again. If the provider is known to be slow, raise the timeout.",
        )
    if isinstance(error, wire.HandshakeFailed):
        return TLSFailed(
            f"No trusted TLS connection to {host} could be made: {_tls_reason(error)}.",
            hint="Check the host name and its certificate; a private authority is added by SSL_CERT_FILE.",
        )
    if isinstance(error, TimeoutError):
        return TimedOut(
            f"{host} did not answer within {policy.read_timeout:g} seconds.",
            hint="The hub tries again. If the provider is known to be slow, raise the timeout.",
        )
    if isinstance(error, wire.NotHTTP):
        return ConnectFailed(
            f"What {host} answered is not HTTP, or is broken.",
            hint="Check address and port; a proxy between the hub and the host may also be the cause.",
        )
    return ConnectFailed(
        f"The connection to {host} was lost before it answered.", hint="The hub tries again."
    )


def _tls_reason(error: Exception) -> str:
    text = str(error)
    found = re.search(r"certificate verify failed: ([^(\"']+)", text) or re.search(
        r"\[SSL: ([A-Z_0-9]+)\]", text
    )
    return found.group(1).strip().rstrip(".") if found else "the handshake failed"


_door = Door()


def _renew_after_fork() -> None:
    """Give a forked process connections of its own."""
    global _door
    _door = Door()


os.register_at_fork(after_in_child=_renew_after_fork)
