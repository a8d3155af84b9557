"""An organization sends as many events as its quota lets it, exactly, and is told when there are more."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from unittest import mock

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.accounts import quotas
from hub.accounts.models import Usage
from hub.accounts.quotas import Quota, QuotaExceeded, begins, ends
from hub.events import intake
from hub.events.intake import Draft, accept_event, accept_events
from hub.events.models import Event
from tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
Period = Usage.Period


def drafts(count: int, prefix: str = "") -> list[Draft]:
    return [Draft("order.paid", idempotency_key=f"{prefix}{n}" if prefix else None) for n in range(count)]


def used(organization, period=Period.DAY) -> int:
    return Usage.objects.get(organization=organization, period=period).events


def test_so_many_a_day_and_the_next_is_refused_with_limit_and_reset():
    organization = OrganizationFactory(events_per_day=3)
    for draft in drafts(3):
        accept_event(organization, draft)

    with pytest.raises(QuotaExceeded) as refusal:
        accept_event(organization, Draft("order.paid"))

    error = refusal.value
    assert (error.quota, error.used) == (Quota(Period.DAY, 3), 3)
    assert error.resets_at == ends(Period.DAY, timezone.now())
    assert 0 < error.wait <= 24 * 3600
    assert "3 events a day" in str(error)
    assert Event.objects.count() == used(organization) == 3


def test_a_batch_that_does_not_fit_is_refused_as_a_whole_and_told_what_is_left():
    organization = OrganizationFactory(events_per_day=10)
    accept_events(organization, drafts(8))

    with pytest.raises(QuotaExceeded, match="3 came, 2 are left"):
        accept_events(organization, drafts(3))

    assert len(accept_events(organization, drafts(2))) == 2
    assert Event.objects.count() == used(organization) == 10


def test_what_was_accepted_before_costs_nothing_and_is_answered_also_when_nothing_is_left():
    organization = OrganizationFactory(events_per_day=4)
    first = accept_events(organization, [*drafts(3, "k"), *drafts(1, "k")])
    assert used(organization) == 3

    again = accept_events(organization, [*drafts(3, "k"), Draft("order.paid", idempotency_key="new")])
    full = accept_events(organization, drafts(3, "k"))

    assert [each.duplicate for each in again] == [True, True, True, False]
    assert [each.event_id for each in full] == [each.event_id for each in first[:3]]
    assert used(organization) == 4
    with pytest.raises(QuotaExceeded):
        accept_event(organization, Draft("order.paid", idempotency_key="newer"))


def test_a_month_has_its_own_count_and_the_next_period_begins_anew():
    organization = OrganizationFactory(events_per_day=2, events_per_month=3)
    at = datetime(2026, 12, 30, 23, 59, tzinfo=UTC)
    with mock.patch.object(intake.timezone, "now", return_value=at):
        accept_events(organization, drafts(2))
    at = datetime(2026, 12, 31, 0, 0, tzinfo=UTC)
    with mock.patch.object(intake.timezone, "now", return_value=at):
        accept_events(organization, drafts(1))
        with pytest.raises(QuotaExceeded) as refusal:
            accept_events(organization, drafts(1))
    assert refusal.value.quota.period == Period.MONTH
    assert refusal.value.resets_at == datetime(2027, 1, 1, tzinfo=UTC)
    at = datetime(2027, 1, 1, tzinfo=UTC)
    with mock.patch.object(intake.timezone, "now", return_value=at):
        accept_events(organization, drafts(2))
    assert Event.objects.count() == 5


@pytest.mark.parametrize("day", [datetime(2026, 2, 1), datetime(2026, 2, 28, 23), datetime(2028, 2, 29)])
def test_months_end_where_they_end(day: datetime):
    day = day.replace(tzinfo=UTC)
    assert begins(Period.MONTH, day).day == 1
    assert (ends(Period.MONTH, day) - timedelta(seconds=1)).month == 2
    assert ends(Period.MONTH, day).month == 3
    assert ends(Period.DAY, day) > day


def test_days_are_those_of_utc():
    tokyo = datetime.fromisoformat("2026-05-02T03:00:00+09:00")
    assert begins(Period.DAY, tokyo).isoformat() == "2026-05-01"


def test_who_has_no_quota_is_neither_counted_nor_refused_beside_one_who_has():
    free, bound = OrganizationFactory(), OrganizationFactory(events_per_day=1)
    job = intake._Job
    results = intake._accept_group(
        [
            job(bound.pk, drafts(1), "api", None, quotas.quotas_of(bound)),
            job(free.pk, drafts(5), "api", None),
            job(bound.pk, drafts(1), "api", None, quotas.quotas_of(bound)),
        ]
    )
    assert [isinstance(each, QuotaExceeded) for each in results] == [False, False, True]
    assert Event.objects.filter(organization=free).count() == 5
    assert not Usage.objects.filter(organization=free).exists()
    with CaptureQueriesContext(connection) as queries:
        accept_event(free, Draft("order.paid"))
    assert not any("accounts_usage" in query["sql"] for query in queries.captured_queries)


def test_a_refused_event_is_not_counted():
    organization = OrganizationFactory(events_per_day=1)
    accept_events(organization, drafts(1))
    for _ in range(3):
        with pytest.raises(QuotaExceeded):
            accept_events(organization, drafts(2))
    assert used(organization) == used(organization, Period.MONTH) == 1


@pytest.mark.django_db(transaction=True)
def test_the_count_is_exact_where_many_send_at_once():
    organization = OrganizationFactory(events_per_day=50)
    threads, start = 8, Barrier(8)

    def send(number: int) -> int:
        taken = 0
        try:
            start.wait()
            for batch in range(10):
                try:
                    accept_events(organization, drafts(1 + batch % 2))
                    taken += 1 + batch % 2
                except QuotaExceeded:
                    pass
            return taken
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        accepted = sum(pool.map(send, range(threads)))
    assert accepted == Event.objects.count() == used(organization) == 50
