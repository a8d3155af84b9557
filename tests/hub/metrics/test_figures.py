"""What is read is the same before, while and after it is rolled up."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from hub.delivery.models import IntegrationLog
from hub.metrics import figures, histogram, rollup
from hub.metrics.figures import Tally, series, tallies, tallies_of_all
from hub.metrics.models import HourFigures
from tests.factories import IntegrationFactory, IntegrationLogFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 14, 20, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.fixture(params=["raw", "rolled up", "half"])
def settled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Roll up nothing, everything, or a part of what was logged."""

    def go() -> None:
        if request.param == "half":
            monkeypatch.setattr(rollup, "STEP", 2)
            rollup.step(rollup.SOURCES[0], IntegrationLog.objects.latest("pk").pk)
        elif request.param == "rolled up":
            rollup.roll_up()

    return go


def test_a_span_is_exact_to_the_minute(settled: Callable[[], None]) -> None:
    integration = IntegrationFactory()
    start, end = NOW - timedelta(hours=3), NOW - timedelta(minutes=5)
    for at in (start - timedelta(minutes=1), start, start + timedelta(hours=1), end - timedelta(minutes=1)):
        IntegrationLogFactory(integration=integration, created_at=at, duration_ms=7)
    IntegrationLogFactory(integration=integration, created_at=end - timedelta(minutes=2), outcome="auth")
    IntegrationLogFactory(integration=integration, created_at=NOW)
    settled()

    found = tallies([integration.pk], start, end)[integration.pk]

    assert (found.succeeded, found.attempts, found.failed, found["auth"]) == (3, 4, 1, 1)
    assert (found["within_10"], found["within_5"], found["duration_ms"]) == (3, 1, 21)


@pytest.mark.parametrize(("minutes", "counted"), [(1, 1), (30, 2), (61, 3)])
def test_spans_within_an_hour(settled: Callable[[], None], minutes: int, counted: int) -> None:
    integration = IntegrationFactory()
    for age in (0, 15, 60, 90):
        IntegrationLogFactory(integration=integration, created_at=NOW - timedelta(minutes=age))
    settled()

    found = tallies([integration.pk], NOW - timedelta(minutes=minutes), NOW + timedelta(minutes=1))

    assert found[integration.pk].succeeded == counted


def test_nothing_counted_is_absent() -> None:
    integration = IntegrationFactory()

    assert tallies([integration.pk], NOW - timedelta(days=1), NOW) == {}
    assert Tally().latency(0.5) is None


@pytest.mark.parametrize(
    ("step", "count"),
    [
        (timedelta(minutes=1), 60),
        (timedelta(minutes=15), 96),
        (timedelta(hours=1), 24),
        (timedelta(days=1), 7),
    ],
)
def test_a_series_for_charts(settled: Callable[[], None], step: timedelta, count: int) -> None:
    integration = IntegrationFactory()
    first = NOW.replace(minute=0, second=0) - step * (count - 1)
    for place in (0, 0, 1, count - 1):
        IntegrationLogFactory(integration=integration, created_at=first + step * place + timedelta(seconds=1))
    IntegrationLogFactory(integration=integration, created_at=first - timedelta(seconds=1))
    IntegrationLogFactory(created_at=first)
    settled()

    found = series([integration.organization], first, step, count)

    assert len(found) == count
    assert [found[place].succeeded for place in (0, 1, count - 1)] == [2, 1, 1]
    assert sum(tally.succeeded for tally in found) == 4
    assert (
        sum(
            t.succeeded
            for t in series([integration.organization], first, step, count, integration=integration)
        )
        == 4
    )


def test_quantiles_of_a_span(settled: Callable[[], None]) -> None:
    integration = IntegrationFactory()
    for duration in [8] * 90 + [1500] * 10:
        IntegrationLogFactory(integration=integration, created_at=NOW, duration_ms=duration)
    settled()

    found = tallies([integration.pk], NOW - timedelta(minutes=1), NOW + timedelta(minutes=1))[integration.pk]

    assert 5 <= (found.latency(0.5) or 0) <= 10
    assert 1000 <= (found.latency(0.95) or 0) <= 2000


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ({0: 10}, 0.5, 2.5),
        ({0: 1, 1: 1}, 1.0, 10),
        ({12: 4}, 0.5, 40_000),
        ({13: 1}, 0.5, 60_000),
        ({0: 1, 13: 99}, 0.01, 5),
        ({}, 0.5, None),
    ],
)
def test_quantiles(counts: dict[int, int], share: float, value: float | None) -> None:
    numbers = [counts.get(place, 0) for place in range(len(histogram.COLUMNS))]

    assert histogram.quantile(numbers, share) == value


def test_several_quantiles_at_once_are_those_one_by_one() -> None:
    numbers = [3, 0, 0, 40, 1, 7, 0, 0, 2, 0, 0, 0, 0, 5]
    shares = (0.01, 0.05, 0.5, 0.74, 0.75, 0.95, 0.99, 1.0)

    found = histogram.quantiles(numbers, shares)

    assert found == [histogram.quantile(numbers, share) for share in shares]
    assert found == sorted(found)


def test_all_integrations_of_an_organization_need_not_be_named() -> None:
    integration, other = IntegrationFactory(), IntegrationFactory()
    IntegrationLogFactory.create_batch(2, integration=integration, created_at=NOW - timedelta(hours=3))
    IntegrationLogFactory(integration=other, created_at=NOW - timedelta(hours=3))
    rollup.roll_up()
    IntegrationLogFactory(integration=integration, created_at=NOW - timedelta(minutes=1), outcome="auth")
    span = (NOW - timedelta(days=1), NOW)

    found = tallies_of_all([integration.organization_id], *span)

    assert found == tallies([integration.pk], *span)
    assert (found[integration.pk].succeeded, found[integration.pk].failed) == (2, 1)


def test_few_statements_whatever_there_is(django_assert_num_queries: Any) -> None:
    integration = IntegrationFactory()
    rollup.roll_up()
    IntegrationLogFactory(integration=integration, created_at=NOW)

    with django_assert_num_queries(2):
        tallies([integration.pk], NOW - timedelta(days=1), NOW)
    with django_assert_num_queries(2):
        series([integration.organization_id], NOW - timedelta(days=1), timedelta(hours=1), 24)


def test_a_rollup_meanwhile_doubles_nothing() -> None:
    """The rows are counted after it was read how far they are, and before they are summed."""
    integration = IntegrationFactory()
    IntegrationLogFactory.create_batch(3, integration=integration, created_at=NOW - timedelta(minutes=1))
    done: list[int] = []

    def roll_up_before_the_sums(execute: Any, sql: str, *more: Any) -> Any:
        if "UNION" in sql and not done:
            done.append(rollup.roll_up())
        return execute(sql, *more)

    with connection.execute_wrapper(roll_up_before_the_sums):
        found = tallies([integration.pk], NOW - timedelta(hours=1), NOW)

    assert done == [1]
    assert found[integration.pk].succeeded == 3


def test_raw_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no scheduler has run for days a page stays fast; it tells less."""
    monkeypatch.setattr(figures, "RAW_ROWS", 3)
    integration = IntegrationFactory()
    IntegrationLogFactory.create_batch(5, integration=integration, created_at=NOW - timedelta(minutes=1))

    found = tallies([integration.pk], NOW - timedelta(hours=1), NOW)

    assert found[integration.pk].succeeded == 3


def test_months_are_read_from_the_hours() -> None:
    integration = IntegrationFactory()
    first = NOW.replace(minute=0, second=0) - timedelta(days=29)
    HourFigures.objects.create(
        organization=integration.organization, integration=integration, at=first + timedelta(days=2), ok=500
    )

    found = series([integration.organization], first, timedelta(days=1), 30)

    assert found[2].succeeded == 500
