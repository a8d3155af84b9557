"""How a verifier gets a certificate, and the worker confirms a subscription: by the one door."""

import threading
import time
from functools import partial

from django.conf import settings

from hub.connections.models import Integration
from hub.lib import outbound
from webhooks.calls import Fetch

#: Seconds that a certificate is remembered; providers change theirs about once a year.
REMEMBER = 3600.0
MOST_REMEMBERED = 64
#: Providers wait a few seconds for an answer; a certificate must come sooner.
CONNECT_TIMEOUT, READ_TIMEOUT = 2.0, 3.0
MOST_BYTES = 256 * 1024

_held: dict[str, tuple[float, bytes]] = {}
_lock = threading.Lock()


def fetcher(integration: Integration) -> Fetch:
    """Return the ``fetch`` of an Incoming: what a verifier asks for is remembered for an hour."""
    return partial(_remembered, integration)


def get(integration: Integration, url: str) -> bytes:
    """GET ``url`` as this integration may; raise OutboundError unless the answer is a success."""
    policy = outbound.Policy(
        allowed_hosts=frozenset(integration.allowed_hosts),
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        max_response_bytes=MOST_BYTES,
    )
    response = outbound.send("GET", url, {"User-Agent": f"Interchange ({settings.HUB.url})"}, None, policy)
    if not 200 <= response.status < 300:
        raise outbound.OutboundError(f"{url.partition('?')[0]} answered {response.status}.")
    return response.body


def forget() -> None:
    """Forget every certificate."""
    with _lock:
        _held.clear()


def _remembered(integration: Integration, url: str) -> bytes:
    held = _held.get(url)
    if held and held[0] > time.monotonic():
        return held[1]
    body = get(integration, url)
    with _lock:
        if len(_held) >= MOST_REMEMBERED:
            _held.clear()
        _held[url] = (time.monotonic() + REMEMBER, body)
    return body
