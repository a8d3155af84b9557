"""Runs begin when their schedule comes round: once, in the place's own time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.sync.calendar import ScheduleError, in_words, next_time, next_times
from hub.sync.models import Sync, SyncRun
from hub.sync.starting import plan, start_due


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        # Six in Berlin is five in UTC in winter, four in summer.
        ("0 6 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        ("0 6 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC)),
        # 02:30 is left out on 29 March: it comes when the gap ends, at 03:00 summer time.
        ("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        # On 25 October 02:30 comes twice; it is run the first time only.
        ("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("30 2 * * *", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
        # Every half hour keeps its pace over the doubled hour.
        ("*/30 * * * *", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ],
)
def test_the_clock_changes_and_the_schedule_holds(cron: str, after: datetime, expected: datetime):
    assert next_time(cron, "Europe/Berlin", after) == expected


def test_a_schedule_is_told_in_words_and_by_the_clock_of_its_place():
    assert in_words("0 6 * * 1-5") == "At 06:00 on Monday through Friday"
    # Saturday noon: the days after the clocks of Berlin changed.
    times = next_times("0 6 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert [f"{time:%d %H:%M %Z}" for time in times] == ["29 06:00 CEST", "30 06:00 CEST", "31 06:00 CEST"]
    assert (in_words("often"), next_times("often", "UTC", timezone.now())) == ("", [])


@pytest.mark.parametrize(
    ("cron", "zone"), [("every day", "UTC"), ("0 0 31 2 *", "UTC"), ("0 6 * * *", "Moon/Tranquility")]
)
def test_what_is_no_schedule_says_so(cron: str, zone: str):
    with pytest.raises(ScheduleError):
        next_time(cron, zone, timezone.now())


@pytest.mark.django_db
def test_a_due_sync_begins_one_run_and_waits_for_the_next_round(push: Sync):
    now = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
    push.cron = "*/15 * * * *"
    plan(push, now - timedelta(hours=3))
    push.save()
    assert start_due(now) == 1
    assert start_due(now) == 0
    push.refresh_from_db()
    assert push.next_run_at == datetime(2026, 11, 21, 12, 15, tzinfo=UTC)
    # The run is still open when the next round comes: that one is left out.
    assert start_due(now + timedelta(minutes=15)) == 0
    assert SyncRun.objects.get().origin == "schedule"


@pytest.mark.django_db
def test_a_sync_that_is_off_or_has_no_schedule_is_never_due(push: Sync):
    plan(push)
    assert push.next_run_at is None
    push.cron, push.enabled = "* * * * *", False
    plan(push)
    assert push.next_run_at is None


@pytest.mark.django_db
def test_another_time_zone_moves_the_next_round(push: Sync):
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    push.cron, push.time_zone = "0 6 * * *", "Europe/Berlin"
    plan(push, now)
    assert push.next_run_at == datetime(2026, 11, 22, 5, tzinfo=UTC)
    push.time_zone = "America/New_York"
    plan(push, now)
    assert push.next_run_at == datetime(2026, 11, 22, 11, tzinfo=UTC)


@pytest.mark.django_db
def test_a_look_reads_one_index_however_many_schedules_there_are(push: Sync):
    now = timezone.now()
    fields = {"organization": push.organization, "integration": push.integration, "type": push.type}
    Sync.objects.bulk_create(
        [
            Sync(name="s", slug=f"s{n}", direction="push", next_run_at=now + timedelta(hours=1), **fields)
            for n in range(2000)
        ],
        batch_size=500,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert "sync_due" in Sync.objects.filter(next_run_at__lte=now).order_by("next_run_at")[:500].explain()
    with CaptureQueriesContext(connection) as queries:
        assert start_due(now) == 0
    assert len(queries) == 1
