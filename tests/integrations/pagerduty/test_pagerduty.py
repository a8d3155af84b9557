"""PagerDuty: the official SDK makes the same requests; its signatures verify in the contract's cases."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import pagerduty
import pytest

from hub.lib.outbound import Policy, Response
from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, IntegrationError, PermanentError, Rejected
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.provider import Context
from integrations.base.samples import KEY, sample_context
from integrations.pagerduty.provider import PROVIDER

ROUTING_KEY = "0000000000000000000000000example"
LINKS = [{"href": "https://hub.example.com/", "text": "More"}]
ACCEPTED = {"status": "success", "message": "Event processed", "dedup_key": "k"}


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
    hub = Hub((200, {"user": {"email": "ada@example.com"}}))
    result = prove(PROVIDER, "token", context(hub))
    wire = Wire({"user": {}}, 200)
    pagerduty.RestApiV2Client("y_exampleexample0000", transport=wire.transport).get("/users/me")
    [ours], [theirs] = hub.sent, wire.sent
    assert (ours.method, ours.url) == (theirs.method, str(theirs.url))
    for name in ("Authorization", "Accept"):
        assert ours.headers[name] == theirs.headers[name]
    assert result.external_id == "ada@example.com"


def test_a_trigger_without_a_key_takes_the_items() -> None:
    hub = Hub()
    run(hub, "incident.trigger", {"summary": "Down"})
    assert hub.body["dedup_key"] == KEY
    assert hub.body["payload"] == {"summary": "Down", "source": "interchange", "severity": "error"}


def test_the_eu_has_hosts_of_its_own() -> None:
    hub = Hub((202, ACCEPTED), (200, {"user": {}}))
    run(hub, "incident.trigger", {"summary": "Down"}, overrides={"region": "eu"})
    prove(PROVIDER, "token", context(hub, overrides={"region": "eu"}))
    assert [one.url.split("/")[2] for one in hub.sent] == ["events.eu.pagerduty.com", "api.eu.pagerduty.com"]


def test_an_account_key_is_proved_by_what_it_may_do() -> None:
    hub = Hub((400, {"error": {"message": "Account-level keys have no user"}}), (200, {"abilities": ["sso"]}))
    assert prove(PROVIDER, "token", context(hub)).external_id == "Account key"
    assert [one.url.rsplit("/", 1)[-1] for one in hub.sent] == ["me", "abilities"]


def test_an_unknown_integration_key_holds_the_queue() -> None:
    body = {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["'routing_key' is invalid"],
    }
    with pytest.raises(AuthError) as caught:
        run(Hub((400, body)), "incident.resolve", {"dedup_key": "k"})
    assert "integration key" in caught.value.hint
    assert "'routing_key' is invalid" in caught.value.message


@pytest.mark.parametrize("status", [400, 402, 403, 404])
def test_other_refusals_are_final(status: int) -> None:
    body = {"status": "invalid event", "message": "no", "errors": ["Length of 'payload.source' is too long"]}
    with pytest.raises(PermanentError):
        run(Hub((status, body)), "incident.trigger", {"summary": "Down"})


def test_an_event_that_is_too_large_is_not_sent() -> None:
    hub = Hub()
    with pytest.raises(Rejected, match="524288"):
        run(hub, "incident.trigger", {"summary": "Down", "details": {"log": "x" * 600_000}})
    assert hub.sent == []


def test_the_log_shows_no_key() -> None:
    hub = Hub()
    ctx = context(hub)
    action = PROVIDER.action("incident.resolve")
    action.run(ctx, read_input(action.input, {"dedup_key": "k"}))
    assert ROUTING_KEY not in repr(ctx.http.exchanges)


def test_an_answer_without_json_is_a_success_all_the_same() -> None:
    class Plain(Hub):
        def __call__(self, outgoing: Outgoing, policy: Policy) -> Response:
            return Response(202, {}, b"accepted", outgoing.url)

    assert run(Plain(), "incident.resolve", {"dedup_key": "k"}).external_id == "k"


def test_a_refused_test_says_what_to_do() -> None:
    with pytest.raises(IntegrationError) as caught:
        prove(PROVIDER, "token", context(Hub((401, {"error": {"message": "Unauthorized"}}))))
    assert "API key" in caught.value.hint
