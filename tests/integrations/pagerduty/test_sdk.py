"""The requests are those of PagerDuty's own SDK, held side by side."""

import json
from typing import Any

import httpx2
import pagerduty
import pytest

from integrations.base.connection_tests import prove
from integrations.pagerduty.provider import PROVIDER
from tests.integrations.pagerduty.driving import ACCEPTED, LINKS, ROUTING_KEY, Hub, context, run


class Wire:
    """Takes the SDK's requests in place of the network."""

    def __init__(self, body: Any = None, status: int = 202) -> None:
        self.sent: list[httpx2.Request] = []
        self.body, self.status = ACCEPTED if body is None else body, status

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        # A stream, as from a socket: the SDK asks how long it took to read.
        return httpx2.Response(self.status, content=iter([json.dumps(self.body).encode()]))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def sdk(wire: Wire) -> pagerduty.EventsApiV2Client:
    return pagerduty.EventsApiV2Client(ROUTING_KEY, transport=wire.transport)


def assert_same(hub: Hub, wire: Wire) -> None:
    [ours], [theirs] = hub.sent, wire.sent
    assert (ours.method, ours.url) == (theirs.method, str(theirs.url))
    assert hub.body == json.loads(theirs.content)


def test_trigger_is_what_the_sdk_sends(sdk: pagerduty.EventsApiV2Client, wire: Wire) -> None:
    hub = Hub()
    data = {"summary": "Down", "source": "shop", "severity": "critical", "dedup_key": "k"}
    result = run(
        hub, "incident.trigger", data | {"details": {"a": 1}, "component": "db", "link": LINKS[0]["href"]}
    )
    sdk.trigger("Down", "shop", "k", "critical", {"component": "db"}, custom_details={"a": 1}, links=LINKS)
    assert_same(hub, wire)
    assert result.external_id == "k"


@pytest.mark.parametrize("verb", ["acknowledge", "resolve"])
def test_updates_are_what_the_sdk_sends(sdk: pagerduty.EventsApiV2Client, wire: Wire, verb: str) -> None:
    hub = Hub()
    run(hub, f"incident.{verb}", {"dedup_key": "k", "summary": "Somebody looks"})
    getattr(sdk, verb)("k")
    assert_same(hub, wire)


def test_a_change_is_what_the_sdk_sends(sdk: pagerduty.EventsApiV2Client, wire: Wire) -> None:
    hub = Hub()
    when = "2026-11-03T12:00:00+00:00"
    run(
        hub,
        "pagerduty.change",
        {"summary": "1.4 is live", "source": "shop", "details": {"a": 1}, "link": LINKS[0]["href"]},
    )
    sdk.submit("1.4 is live", "shop", {"a": 1}, LINKS, when)
    assert_same(hub, wire)


def test_who_am_i_is_what_the_sdk_sends() -> None:
    user = {"email": "ada@example.com", "html_url": "https://acme.pagerduty.com/users/P1"}
    hub = Hub((200, {"user": user}))
    result = prove(PROVIDER, "token", context(hub))
    wire = Wire({"user": {}}, 200)
    pagerduty.RestApiV2Client("y_exampleexample0000", transport=wire.transport).get("/users/me")
    [ours], [theirs] = hub.sent, wire.sent
    assert (ours.method, ours.url) == (theirs.method, str(theirs.url))
    for name in ("Authorization", "Accept"):
        assert ours.headers[name] == theirs.headers[name]
    assert (result.external_id, result.account_id) == ("ada@example.com", "acme.pagerduty.com")
