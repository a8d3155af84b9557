"""Whole organizations read the same before, while and after their hours are summed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.connections.models import Integration
from hub.metrics import hours, rollup, schedule
from hub.metrics.figures import series
from hub.metrics.models import OUTCOMES, HourFigures, OrganizationHours
from tests.factories import IntegrationFactory, IntegrationLogFactory, OrganizationFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 14, 20, 30, tzinfo=UTC)
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture(params=["nothing closed", "a part closed", "all closed"])
def closed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Close no hour, those before the last three days, or all that are over."""

    def go() -> None:
        if request.param == "a part closed":
            with monkeypatch.context() as then:
                then.setattr(timezone, "now", lambda: NOW - 3 * DAY)
                hours.close_hours()
        elif request.param == "all closed":
            hours.close_hours()

    return go


def logged(integration: Integration, *ago: timedelta, outcome: str = "ok") -> None:
    for each in ago:
        IntegrationLogFactory(integration=integration, created_at=NOW - each, outcome=outcome)


def test_a_month_reads_the_same(closed: Callable[[], None]) -> None:
    organization = OrganizationFactory()
    one, two = IntegrationFactory.create_batch(2, organization=organization)
    logged(one, 8 * DAY, 4 * DAY, 2 * DAY, timedelta(hours=2), timedelta(minutes=1))
    logged(two, 8 * DAY, 4 * DAY, timedelta(minutes=70), outcome="transient")
    logged(IntegrationFactory(), 4 * DAY)
    rollup.roll_up()
    closed()
    # Counted by nobody yet.
    logged(two, timedelta(minutes=2))

    found = series([organization], FIRST, DAY, 10, columns=OUTCOMES)

    told = {place: (tally.succeeded, tally.failed) for place, tally in enumerate(found) if tally.attempts}
    assert told == {1: (1, 1), 5: (1, 1), 7: (1, 0), 9: (3, 1)}
    alone = series([organization], FIRST, DAY, 10, integration=one)
    assert [tally.succeeded for tally in alone if tally.attempts] == [1, 1, 1, 2]


def test_what_is_counted_late_is_in_the_sum(closed: Callable[[], None]) -> None:
    one, two = IntegrationFactory.create_batch(2, organization=OrganizationFactory())
    logged(one, 5 * DAY, 4 * DAY, timedelta(hours=3))
    rollup.roll_up()
    closed()
    # Into an hour with a sum, into one without, and for somebody else into the same.
    logged(two, 5 * DAY, 5 * DAY + timedelta(hours=1))
    logged(IntegrationFactory(), 5 * DAY)
    rollup.roll_up()

    found = series([one.organization], FIRST, DAY, 10)

    assert [tally.succeeded for tally in found] == [0, 0, 0, 0, 3, 1, 0, 0, 0, 1]


def test_an_hour_is_closed_an_hour_after_its_end() -> None:
    integration = IntegrationFactory()
    logged(integration, timedelta(hours=2), timedelta(hours=1), timedelta(0))
    rollup.roll_up()

    hours.close_hours()

    closed = OrganizationHours.objects.get()
    assert (closed.at, closed.ok) == (datetime(2026, 3, 10, 12, tzinfo=UTC), 1)
    assert closed.organization == integration.organization


def test_closing_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    integration = IntegrationFactory()
    logged(integration, *(timedelta(hours=3 + number) for number in range(30)))
    rollup.roll_up()
    monkeypatch.setattr(hours, "AT_ONCE", 4)

    assert hours.close_hours(longest=0) == 0
    assert hours.close_hours() == 30
    assert hours.close_hours() == 0
    assert list(OrganizationHours.objects.values_list("ok", flat=True)) == [1] * 30


def test_a_deleted_integration_leaves_its_part() -> None:
    gone, kept = IntegrationFactory.create_batch(2, organization=OrganizationFactory())
    logged(gone, 4 * DAY)
    logged(kept, 4 * DAY)
    rollup.roll_up()
    hours.close_hours()
    gone.delete()

    found = series([kept.organization], FIRST, DAY, 10)

    assert found[5].succeeded == 2


def test_sums_are_kept_as_long_as_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    organization = OrganizationFactory()
    for days in (401, 399):
        OrganizationHours.objects.create(organization=organization, at=NOW - timedelta(days=days))

    schedule.prune()

    assert OrganizationHours.objects.get().at == NOW - timedelta(days=399)


def test_it_costs_the_same_for_any_number_of_integrations(django_assert_num_queries: Any) -> None:
    organization = OrganizationFactory()
    for integration in IntegrationFactory.create_batch(3, organization=organization):
        logged(integration, 4 * DAY)
    rollup.roll_up()
    hours.close_hours()
    HourFigures.objects.all().delete()

    with django_assert_num_queries(3):
        found = series([organization], FIRST, DAY, 10)

    assert found[5].succeeded == 3
