"""The daily report: right figures, plain sentences, once a day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import LogKind, State
from hub.metrics import report, rollup
from hub.metrics.models import HealthReport
from tests.factories import (
    IntegrationFactory,
    IntegrationLogFactory,
    OrganizationFactory,
    QueueItemFactory,
    ReceivedWebhookFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 0, 30, tzinfo=UTC)
YESTERDAY = date(2026, 3, 9)
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture
def organization() -> Organization:
    made = OrganizationFactory(name="Acme")
    Organization.objects.filter(pk=made.pk).update(created_at=NOW - timedelta(days=30))
    return made


@pytest.fixture
def slack(organization: Organization) -> Integration:
    return IntegrationFactory(organization=organization, name="Slack", test_ok=True)


def written(organization: Organization) -> HealthReport:
    assert report.write_missing() == 1
    return HealthReport.objects.get(organization=organization)


def test_a_good_day(organization: Organization, slack: Integration) -> None:
    IntegrationLogFactory.create_batch(20, integration=slack, created_at=NOON, duration_ms=40)
    IntegrationLogFactory(integration=slack, created_at=NOW, outcome="permanent")
    IntegrationLogFactory(integration=slack, created_at=NOON - timedelta(days=1), outcome="permanent")

    found = written(organization)

    assert (found.day, found.needs_attention) == (YESTERDAY, 0)
    assert found.summary == "20 deliveries went through, none failed for good. All is well."
    assert "Acme, Monday 9 March 2026" in found.text
    assert (
        "Slack: 20 deliveries went through, half of the attempts within 35 ms and 95 % within 48 ms."
        in found.text
    )
    assert "failed (" not in found.text


def test_a_day_with_failures_says_which_and_what_to_do(
    organization: Organization, slack: Integration
) -> None:
    item = QueueItemFactory(integration=slack, state=State.FAILED, attempts=1)
    IntegrationLogFactory.create_batch(8, integration=slack, created_at=NOON)
    for number in range(2):
        IntegrationLogFactory(
            integration=slack,
            created_at=NOON,
            outcome="rejected",
            message=f"Slack knows no channel 10{number}. Will not pass as it is; mend the cause, then retry.",
            hint="Invite the app to the channel.",
            item_id=item.pk,
            attempt=1,
        )

    found = written(organization)
    (entry,) = found.figures["integrations"]

    assert found.summary == "8 deliveries went through, 1 failed for good. 1 integration needs somebody."
    assert entry["bad"] == [
        "2 of 10 attempts failed (20 %).",
        "1 delivery failed for good.",
        "Slack knows no channel 101 (2 times).",
    ]
    assert entry["advice"] == [
        "1 delivery has failed for good: mend the cause, then press “Retry all failed” on its page.",
        "Invite the app to the channel.",
    ]
    assert "  → Invite the app to the channel." in found.text


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"status": Status.RECONNECT}, "Reconnect it: its credential is refused, and 2 deliveries must wait"),
        ({"status": Status.PAUSED}, "It is paused and holds 2 deliveries. Resume it"),
        ({"circuit": Circuit.OPEN}, "the hub tries again by itself and holds 2 deliveries"),
        (
            {"test_ok": False, "test_message": "401 came back. Try."},
            "Its connection test fails: 401 came back.",
        ),
    ],
)
def test_says_what_holds_the_queue(organization: Organization, fields: dict[str, Any], advice: str) -> None:
    integration = IntegrationFactory(organization=organization, **fields)
    QueueItemFactory.create_batch(2, integration=integration)

    found = written(organization)

    assert advice in found.text
    assert found.needs_attention == 1


def test_failures_of_tests_and_webhooks_are_told_and_changes_of_state_are_not(
    organization: Organization, slack: Integration
) -> None:
    endpoint = WebhookEndpointFactory(integration=slack)
    received = ReceivedWebhookFactory(endpoint=endpoint, state="refused")
    type(received).objects.update(received_at=NOON)
    for kind, message in ((LogKind.TEST, "No route to host."), (LogKind.STATE, "Circuit opened.")):
        IntegrationLogFactory(
            integration=slack, created_at=NOON, kind=kind, outcome="failed", message=message
        )

    text = written(organization).text

    assert "1 call to its webhook endpoints could not be proved." in text
    assert "Compare the signing secret" in text
    assert "No route to host." in text
    assert "Circuit opened" not in text


def test_those_that_need_somebody_come_first(organization: Organization, slack: Integration) -> None:
    IntegrationFactory(organization=organization, name="Zebra", status=Status.RECONNECT)

    entries = written(organization).figures["integrations"]

    assert [entry["name"] for entry in entries] == ["Zebra", "Slack"]


def test_an_empty_organization_gets_a_report_too(organization: Organization) -> None:
    assert written(organization).summary == "No integration is connected yet."


def test_once_a_day_however_often_the_scheduler_starts(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [report.write_missing() for _ in range(3)]
    monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(hours=23))
    counts.append(report.write_missing())
    monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(hours=24))
    counts.append(report.write_missing())

    assert counts == [1, 0, 0, 0, 1]
    assert {row.day for row in HealthReport.objects.all()} == {YESTERDAY, YESTERDAY + timedelta(days=1)}


def test_of_two_schedulers_at_the_same_moment_one_writes(organization: Organization) -> None:
    assert report.write(organization, YESTERDAY) is not None
    assert report.write(organization, YESTERDAY) is None
    assert HealthReport.objects.count() == 1


def test_an_organization_made_today_gets_none_about_yesterday() -> None:
    fresh = OrganizationFactory()
    Organization.objects.filter(pk=fresh.pk).update(created_at=NOW)

    assert report.write_missing() == 0


@pytest.mark.parametrize("rolled_up", [True, False])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_a_day_is_one_of_the_hubs_time_zone(
    organization: Organization, slack: Integration, settings: Any, zone: str, rolled_up: bool
) -> None:
    settings.TIME_ZONE = zone
    start, end = report.bounds(YESTERDAY)
    for at in (start - timedelta(seconds=1), start, end - timedelta(seconds=1), end):
        IntegrationLogFactory(integration=slack, created_at=at)
    if rolled_up:
        rollup.roll_up()

    found = report.write(organization, YESTERDAY)

    assert found is not None
    assert found.figures["integrations"][0]["succeeded"] == 2


def test_knows_nothing_of_other_organizations(organization: Organization, slack: Integration) -> None:
    stranger = IntegrationFactory(name="Strangers' service")
    IntegrationLogFactory(integration=stranger, created_at=NOON, outcome="auth", message="Theirs.")

    assert "Theirs" not in written(organization).text
    assert "Strangers" not in HealthReport.objects.get(organization=organization).text
