"""What the tests of this provider share."""

from datetime import UTC, datetime
from typing import Any

from hub.lib.outbound import Policy, Response
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.provider import Context
from integrations.base.samples import sample_context
from integrations.base.webhooks import Incoming
from integrations.http.provider import PROVIDER

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


NO_KEYS = {"signing_secret": None, "signing_key": None, "previous_key": None, "previous_until": None}


EVENT = {"type": "order.paid", "timestamp": "2026-11-03T11:59:00+00:00", "data": {"total": "19.90 €"}}


class Endpoint:
    """Takes what is sent and answers as told."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None):
        self.answer = Response(status, headers or {}, b"")
        self.got: list[Outgoing] = []

    def __call__(self, outgoing: Outgoing, policy: Policy) -> Response:
        self.got.append(outgoing)
        return self.answer

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.got[-1].headers.items()}


def context(
    endpoint: Endpoint, now: datetime = NOW, key: str = "key-1", auth: str = "", **changes: Any
) -> Context:
    return sample_context(
        PROVIDER, endpoint, auth=auth, overrides=NO_KEYS | changes, idempotency_key=key, now=now
    )


def send(ctx: Context, data: Any = None) -> Any:
    action = PROVIDER.action("http.send")
    return action.run(ctx, read_input(action.input, EVENT if data is None else data))


def incoming(body: bytes) -> Incoming:
    return Incoming("POST", "https://hub.example.com/", {"webhook-id": "msg_1"}, body, NOW)
