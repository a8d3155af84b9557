"""What the tests of this provider share."""

import json
from datetime import UTC, datetime
from typing import Any

from hub.lib.outbound import Policy, Response
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.provider import Context
from integrations.base.samples import sample_context
from integrations.pagerduty.provider import PROVIDER

ROUTING_KEY = "0000000000000000000000000example"


LINKS = [{"href": "https://hub.example.com/", "text": "More"}]


ACCEPTED = {"status": "success", "message": "Event processed", "dedup_key": "k"}


class Hub:
    """Takes the hub's requests and answers one after the other."""

    def __init__(self, *answers: tuple[int, Any]):
        self.answers = list(answers or [(202, ACCEPTED)])
        self.sent: list[Outgoing] = []

    def __call__(self, outgoing: Outgoing, policy: Policy) -> Response:
        self.sent.append(outgoing)
        status, body = self.answers.pop(0)
        return Response(status, {"content-type": "application/json"}, json.dumps(body).encode(), outgoing.url)

    @property
    def body(self) -> Any:
        return json.loads(self.sent[-1].body or b"")


def context(hub: Hub, **options: Any) -> Context:
    return sample_context(PROVIDER, hub, now=datetime(2026, 11, 3, 12, tzinfo=UTC), **options)


def run(hub: Hub, name: str, data: dict[str, Any], **options: Any) -> Any:
    action = PROVIDER.action(name)
    return action.run(context(hub, **options), read_input(action.input, data))
