"""The last hours of many integrations at once, hour by hour: what a health strip shows."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from django.utils import timezone

from hub.delivery.models import IntegrationLog, LogKind
from hub.metrics.figures import HOUR, Tally
from hub.metrics.models import OUTCOMES, HourFigures, RollupCursor

#: Log rows that are not rolled up yet and are looked at, newest first: seconds' worth of them.
RAW_ROWS = 5_000
#: From this share of successes on an hour with failures is a warning, below it is bad.
MOSTLY = 0.5


def hourly_strips(integrations: Iterable[UUID], hours: int = 24) -> dict[UUID, list[tuple[datetime, Tally]]]:
    """Return for each integration one (start, tally) per hour of UTC, oldest first, the present one last."""
    ids = list(integrations)
    this_hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [this_hour - HOUR * back for back in range(hours - 1, -1, -1)]
    counts = _rolled(ids, starts[0])
    for key, outcome in _raw(ids, starts[0]):
        counts.setdefault(key, Counter())[outcome] += 1
    return {pk: [(start, Tally(counts.get((pk, start), Counter()))) for start in starts] for pk in ids}


def _rolled(ids: list[UUID], first: datetime) -> dict[tuple[UUID, datetime], Counter[str]]:
    rows = HourFigures.objects.filter(integration__in=ids, at__gte=first)
    return {
        (row["integration_id"], row["at"]): Counter({name: row[name] for name in OUTCOMES if row[name]})
        for row in rows.values("integration_id", "at", *OUTCOMES)
    }


def _raw(ids: list[UUID], first: datetime) -> Iterable[tuple[tuple[UUID, datetime], str]]:
    counted = RollupCursor.objects.filter(name="log").values_list("last_id", flat=True).first() or 0
    rows = IntegrationLog.objects.filter(
        pk__gt=counted, integration__in=ids, kind=LogKind.DELIVERY, created_at__gte=first
    ).order_by("-pk")
    for integration, at, outcome in rows.values_list("integration_id", "created_at", "outcome")[:RAW_ROWS]:
        hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        yield (integration, hour), outcome if outcome in OUTCOMES else "other"


def look(tally: Tally) -> str:
    """Return how an hour is shown: ``none`` (nothing was sent), ``good``, ``warn``, ``bad`` (most failed)."""
    if not tally.attempts:
        return "none"
    share = tally.succeeded / tally.attempts
    if share == 1:
        return "good"
    return "warn" if share >= MOSTLY else "bad"
