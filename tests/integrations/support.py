"""What tests of providers share: a context whose requests leave by the door, and a call's reading."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub.lib import outbound
from integrations.base.http import Outgoing
from integrations.base.provider import Context, Provider
from integrations.base.samples import sample_context
from integrations.base.webhooks import Incoming


def through_the_door(outgoing: Outgoing, policy: outbound.Policy) -> outbound.Response:
    """Send by ``outbound.send``: the real one, or the fixture ``door``."""
    return outbound.send(outgoing.method, outgoing.url, outgoing.headers, outgoing.body, policy)


def context(provider: Provider, auth: str = "", key: str = "item-1", **overrides: Any) -> Context:
    """A context of the provider's samples, with ``overrides`` of its fields."""
    return sample_context(provider, through_the_door, auth=auth, overrides=overrides, idempotency_key=key)


def incoming(
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    at: float = 1_767_225_600,
    content_type: str = "application/json",
) -> Incoming:
    """One call to a webhook endpoint, received ``at`` (Unix time)."""
    names = {"content-type": content_type} | {name.lower(): value for name, value in (headers or {}).items()}
    received = datetime.fromtimestamp(at, UTC)
    return Incoming("POST", "https://hub.example.com/webhooks/t/", names, body, received)
