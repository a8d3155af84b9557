"""The connection test: what it found, and what to do, as sentences."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hub.connections.check import run_connection_test
from hub.connections.models import Integration, Status
from hub.connections.signals import connection_tested
from hub.lib import outbound
from hub.lib.sentences import advised
from integrations.base import registry
from integrations.base.provider import Context, Provider
from integrations.base.results import Result
from tests.conftest import Door
from tests.factories import IntegrationFactory, OrganizationFactory

pytestmark = pytest.mark.django_db
URL = "https://eu.acme.example/api/me"


@pytest.fixture
def row() -> Integration:
    return IntegrationFactory(
        provider_slug="acme", auth_key="token", slug="our-acme", credential__secrets={"api_key": "ak_planted"}
    )


def test_a_good_test_names_the_account_and_ends_needs_reconnecting(door: Door, row: Integration) -> None:
    row.hold_for_reconnect("401")
    door.answer("GET", URL, json={"name": "Acme Ltd"})
    outcome = run_connection_test(row)
    assert outcome.ok
    assert outcome.message == "The connection works. Connected as Acme Ltd."
    row.refresh_from_db()
    assert (row.test_ok, row.account_label, row.status) == (True, "Acme Ltd", Status.ACTIVE)
    assert row.tested_at


@pytest.mark.parametrize(
    ("status", "body", "kind", "hint"),
    [
        (401, {"error": "bad key"}, "auth", "valid credential"),
        (403, {}, "permanent", "permission “me”"),
        (404, {}, "permanent", "address"),
        (429, {}, "rate_limited", "wait a little"),
        (503, {}, "transient", "status page"),
        (302, {}, "permanent", "settings"),
        (200, {"other": 1}, "permanent", "something else may answer"),
        (418, {}, "permanent", "instructions"),
    ],
)
def test_each_failure_says_what_to_do(
    door: Door, row: Integration, status: int, body: Any, kind: str, hint: str
) -> None:
    door.answer("GET", URL, status, json=body)
    outcome = run_connection_test(row)
    assert (outcome.ok, outcome.kind) == (False, kind)
    assert hint in outcome.hint
    assert str(status) in outcome.message
    row.refresh_from_db()
    assert not row.test_ok
    assert row.test_message == advised(outcome.message, outcome.hint)


def test_a_host_that_may_not_be_reached_says_how_to_allow_it(door: Door, row: Integration) -> None:
    refusal = outbound.AddressRefused("It is on a private network.", hint="Add it to the allowed hosts.")
    door.fail("GET", URL, refusal)
    outcome = run_connection_test(row)
    assert (outcome.message, outcome.hint) == (str(refusal), refusal.hint)


@pytest.mark.parametrize(
    ("url", "said", "todo"),
    [
        ("https://nobody.invalid", "nobody.invalid", "Check the host name"),
        ("https://10.0.0.7", "10.0.0.7", "allow"),
        ("http://127.0.0.1:9", "127.0.0.1", "allow"),
    ],
)
def test_an_address_that_leads_nowhere_says_what_to_do(
    row: Integration, acme: Provider, monkeypatch: pytest.MonkeyPatch, url: str, said: str, todo: str
) -> None:
    from dataclasses import replace

    elsewhere = replace(acme, base_urls=dict.fromkeys(acme.base_urls, url))
    monkeypatch.setattr(registry, "providers", lambda: {"acme": elsewhere})
    outcome = run_connection_test(row)
    assert not outcome.ok
    assert said in outcome.message
    assert todo.lower() in outcome.hint.lower()
    row.refresh_from_db()
    assert row.test_kind == outcome.kind


def test_a_failed_test_does_not_touch_what_a_worker_changed(door: Door, row: Integration) -> None:
    stale = Integration.objects.get(pk=row.pk)
    Integration.objects.filter(pk=row.pk).update(failure_streak=7, circuit="open")
    door.answer("GET", URL, 503)
    run_connection_test(stale)
    row.refresh_from_db()
    assert (row.failure_streak, row.circuit) == (7, "open")


def test_the_outcome_is_told_with_the_masked_exchange(door: Door, row: Integration) -> None:
    told: list[dict[str, Any]] = []

    def hear(sender: object, **facts: Any) -> None:
        told.append(facts)

    door.answer("GET", URL, 401, body="ak_planted is wrong")
    connection_tested.connect(hear)
    try:
        outcome = run_connection_test(row)
    finally:
        connection_tested.disconnect(hear)
    assert told[0]["outcome"] == outcome
    assert told[0]["exchanges"][0].status == 401
    assert "planted" not in str(told)
    assert "planted" not in outcome.message


def test_a_test_that_is_a_function_may_fail_in_any_way(
    row: Integration, monkeypatch: pytest.MonkeyPatch, acme: Provider
) -> None:
    from dataclasses import replace

    def broken(ctx: Context) -> Result:
        raise ZeroDivisionError

    monkeypatch.setattr(registry, "providers", lambda: {"acme": replace(acme, test=broken)})
    outcome = run_connection_test(row)
    assert "our own code" in outcome.message.replace("Interchange's own", "our own")
    assert "report" in outcome.hint


def test_a_provider_whose_code_is_gone_is_a_sentence() -> None:
    outcome = run_connection_test(IntegrationFactory(provider_slug="gone"))
    assert not outcome.ok
    assert "gone" in outcome.message


class TestCommand:
    def test_it_prints_what_it_found(self, door: Door, row: Integration) -> None:
        door.answer("GET", URL, json={"name": "Acme Ltd"})
        out = StringIO()
        call_command("test_integration", "our-acme", stdout=out)
        assert f"{row.organization.slug}/our-acme: The connection works." in out.getvalue()

    def test_it_fails_with_exit_code_1_and_says_what_to_do(self, door: Door, row: Integration) -> None:
        door.answer("GET", URL, 403)
        with pytest.raises(CommandError, match="permission “me”") as failed:
            call_command("test_integration", "our-acme")
        assert failed.value.returncode == 1

    def test_it_asks_for_the_organization_where_there_are_two(self, door: Door, row: Integration) -> None:
        other = IntegrationFactory(provider_slug="acme", slug="our-acme", organization=OrganizationFactory())
        with pytest.raises(CommandError, match="--organization"):
            call_command("test_integration", "our-acme")
        door.answer("GET", URL, json={"name": "x"})
        call_command("test_integration", "our-acme", organization=other.organization.slug, stdout=StringIO())

    def test_it_names_those_there_are(self, row: Integration) -> None:
        with pytest.raises(CommandError, match=r"There are: our-acme\."):
            call_command("test_integration", "nothing")
