"""PagerDuty: the official SDK makes the same requests; its signatures verify in the contract's cases."""

import pytest

from hub.lib.outbound import Policy, Response
from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, IntegrationError, PermanentError, Rejected
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.samples import KEY
from integrations.pagerduty.provider import PROVIDER
from tests.integrations.pagerduty.driving import ACCEPTED, ROUTING_KEY, Hub, context, run


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
    nobody, people = (
        {"error": {"message": "Account-level keys have no user"}},
        [{"html_url": "https://acme.pagerduty.com/users/P1"}],
    )
    hub = Hub((400, nobody), (200, {"abilities": ["sso"]}), (200, {"users": people}))
    seen = prove(PROVIDER, "token", context(hub))
    assert (seen.external_id, seen.account_id) == ("Account acme.pagerduty.com", "acme.pagerduty.com")
    assert [one.url.rsplit("/", 1)[-1] for one in hub.sent] == ["me", "abilities", "users?limit=1"]


def test_an_account_key_that_may_see_no_people_does_not_tell_its_account() -> None:
    hub = Hub((400, {}), (200, {"abilities": ["sso"]}), (403, {"error": {"message": "Access denied"}}))
    seen = prove(PROVIDER, "token", context(hub))
    assert (seen.external_id, seen.account_id) == ("", "")


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
