"""The hours of whole organizations: summed once they are over, so that months are read fast.

Every hour up to the newest one that is summed counts as closed. What is counted late into a closed hour is
added to its sum by the step that counts it (``hub.metrics.rollup``), in that step's own transaction; whoever
closes hours holds the lock of all cursors, so that no step is half way meanwhile.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Sum
from django.utils import timezone

from hub.metrics.models import COUNTERS, HourFigures, OrganizationHours, RollupCursor
from hub.metrics.rollup import SOURCES

HOUR = timedelta(hours=1)
#: After its end most of what belongs to an hour has been counted.
GRACE = HOUR
#: Hours per transaction: it holds up the counting for some milliseconds.
AT_ONCE = 12
#: Seconds that one run may take; the first one after an update has months to sum.
LONGEST_RUN = 5.0


def close_hours(longest: float = LONGEST_RUN) -> int:
    """Sum the hours that are over, for ``longest`` seconds at most; return how many rows that made."""
    cursors = [RollupCursor(name=source.name) for source in SOURCES]
    RollupCursor.objects.bulk_create(cursors, ignore_conflicts=True)
    deadline = time.monotonic() + longest
    end = _hour(timezone.now() - GRACE)
    made, more = 0, True
    while more and time.monotonic() < deadline:
        rows, more = _close_some(end)
        made += rows
    return made


def _close_some(end: datetime) -> tuple[int, bool]:
    """Close the next hours before ``end``; return how many rows that made, and whether there may be more."""
    with transaction.atomic():
        # Evaluated for its locks: whoever counts waits here, or is done.
        list(RollupCursor.objects.select_for_update().order_by("name"))
        start = _first_open()
        if start is None or start >= end:
            return 0, False
        until = min(start + HOUR * AT_ONCE, end)
        rows = _sums(start, until)
        OrganizationHours.objects.bulk_create(rows, batch_size=200)
    return len(rows), until < end


def _first_open() -> datetime | None:
    """Return the first hour with figures that is not closed."""
    closed = OrganizationHours.closed_until()
    rows = HourFigures.objects.all() if closed is None else HourFigures.objects.filter(at__gt=closed)
    return rows.aggregate(first=Min("at"))["first"]


def _sums(start: datetime, until: datetime) -> list[OrganizationHours]:
    hours = HourFigures.objects.filter(at__gte=start, at__lt=until)
    sums = {f"sum_{name}": Sum(name) for name in COUNTERS}
    rows: Any = hours.values("organization_id", "at").annotate(**sums).order_by()
    return [
        OrganizationHours(
            organization_id=row["organization_id"],
            at=row["at"],
            **{name: row[f"sum_{name}"] for name in COUNTERS},
        )
        for row in rows
    ]


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
