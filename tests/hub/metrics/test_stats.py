"""How integrations are judged, and what the charts show."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import LogKind, State
from hub.metrics.stats import (
    health_of,
    hourly_outcomes,
    integration_health,
    latest_problems,
    queue_totals,
)
from tests.factories import IntegrationFactory, IntegrationLogFactory, OrganizationFactory, QueueItemFactory

pytestmark = pytest.mark.django_db


def judged(integration: Integration) -> tuple[str, str]:
    found = health_of([integration])[0]
    return found.state, found.sentence


@pytest.mark.parametrize(
    ("fields", "state", "said"),
    [
        ({}, "unused", "Nothing was sent"),
        ({"test_ok": True}, "ok", "test passed"),
        ({"test_ok": False, "test_message": "401."}, "degraded", "401."),
        ({"status": Status.PAUSED, "status_reason": "Holidays"}, "paused", "Holidays"),
        ({"status": Status.RECONNECT}, "reconnect", "reconnect"),
        ({"circuit": Circuit.OPEN, "breaker_window": [[0, 9, 7]]}, "down", "7 failures"),
        ({"circuit": Circuit.HALF_OPEN, "test_ok": True}, "degraded", "recovered"),
    ],
)
def test_judges_by_state(fields: dict[str, Any], state: str, said: str) -> None:
    found = judged(IntegrationFactory(**fields))

    assert found[0] == state
    assert said in found[1]


def test_what_failed_and_waits_for_somebody_is_told_of_a_healthy_one_too() -> None:
    integration = IntegrationFactory(test_ok=True)
    QueueItemFactory(integration=integration, organization=integration.organization, state=State.FAILED)
    held = health_of([integration])[0]
    assert (held.state, held.failed_items) == ("ok", 1)
    assert held.sentence.endswith("Left to retry or cancel: 1 failed delivery.")


def test_judges_by_the_last_day_only() -> None:
    integration = IntegrationFactory()
    IntegrationLogFactory.create_batch(19, integration=integration)
    IntegrationLogFactory(integration=integration, outcome="transient")
    IntegrationLogFactory(integration=integration, outcome="failed", kind=LogKind.TEST)
    old = timezone.now() - timedelta(hours=25)
    IntegrationLogFactory.create_batch(5, integration=integration, outcome="transient", created_at=old)
    assert judged(integration)[0] == "ok"

    IntegrationLogFactory(integration=integration, outcome="transient")
    assert judged(integration) == ("degraded", "2 of 21 attempts failed in the last 24 hours.")
    assert health_of([integration])[0].success_percent == "90.5 %"


def test_counts_the_queue() -> None:
    integration = IntegrationFactory()
    now = timezone.now()
    QueueItemFactory(integration=integration, due_at=now - timedelta(minutes=5))
    QueueItemFactory(integration=integration, due_at=now + timedelta(minutes=5))
    QueueItemFactory(integration=integration, state=State.PROCESSING)
    QueueItemFactory(integration=integration, state=State.FAILED)
    QueueItemFactory(integration=integration, state=State.COMPLETED)

    found = health_of([integration])[0]

    assert (found.queue_depth, found.in_flight, found.failed_items) == (2, 1, 1)
    assert 299 <= found.waiting_seconds() <= 310
    totals = queue_totals([integration.organization])
    assert (totals.pending, totals.processing, totals.failed) == (2, 1, 1)


def test_knows_only_the_organizations_it_is_asked_about() -> None:
    mine = IntegrationFactory()
    theirs = IntegrationFactory()
    IntegrationLogFactory(integration=theirs, outcome="permanent")

    assert [entry.integration for entry in integration_health([mine.organization])] == [mine]
    assert latest_problems([mine.organization]) == []
    assert sum(hour.total for hour in hourly_outcomes([mine.organization])) == 0


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_hours_in_any_time_zone(zone: str) -> None:
    organization = OrganizationFactory()
    integration = IntegrationFactory(organization=organization)
    with timezone.override(zone):
        IntegrationLogFactory(integration=integration)
        IntegrationLogFactory(integration=integration, outcome="auth")
        IntegrationLogFactory(integration=integration, created_at=timezone.now() - timedelta(hours=3))

        hours = hourly_outcomes([organization])

    assert len(hours) == 24
    assert (hours[-1].succeeded, hours[-1].failed) == (1, 1)
    assert hours[-4].succeeded == 1
    assert all(
        later.start - earlier.start == timedelta(hours=1) for earlier, later in itertools.pairwise(hours)
    )


def test_problems_come_newest_first() -> None:
    integration = IntegrationFactory()
    IntegrationLogFactory(integration=integration)
    for number in range(3):
        IntegrationLogFactory(integration=integration, outcome="permanent", message=f"No. {number}")

    found = latest_problems([integration.organization], limit=2)

    assert [problem.message for problem in found] == ["No. 2", "No. 1"]


def test_costs_the_same_for_any_number(django_assert_num_queries: Any) -> None:
    organization = OrganizationFactory()
    for _ in range(5):
        QueueItemFactory(integration=IntegrationFactory(organization=organization))

    with django_assert_num_queries(5):
        integration_health([organization])
