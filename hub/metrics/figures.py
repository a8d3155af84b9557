"""Reading the figures of any span: rollups, and from the raw log what is not rolled up yet.

Each function reads both in ONE statement, so that it sees the figures and the cursor of the same moment:
nothing is missed or doubled while a rollup goes on. The raw part counts delivery attempts only
(failed items and webhooks follow with the next rollup, seconds later) and is bounded, so that a page
stays fast also where no scheduler has run for days.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, F, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, LogKind
from hub.metrics import histogram
from hub.metrics.models import (
    COUNTERS,
    OUTCOMES,
    HourFigures,
    MinuteFigures,
    OrganizationHours,
    RollupCursor,
)
from hub.metrics.sums import raw_sums, sums
from hub.metrics.times import SpanOf

#: Log rows that are read raw at most, newest first.
RAW_ROWS = 100_000
HOUR = timedelta(hours=1)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by column of ``hub.metrics.models.Figures``; a column that was not asked for reads 0."""

    counts: Mapping[str, int] = field(default_factory=Counter)

    def __getitem__(self, column: str) -> int:
        return self.counts.get(column, 0)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(Counter(self.counts) + Counter(other.counts))

    @property
    def succeeded(self) -> int:
        """Attempts that the provider accepted: as many items were completed."""
        return self["ok"]

    @property
    def attempts(self) -> int:
        """All attempts."""
        return sum(map(self.counts.get, OUTCOMES, repeat(0)))

    @property
    def failed(self) -> int:
        """Attempts that did not succeed; the items may pass later."""
        return self.attempts - self.succeeded

    def latency(self, share: float) -> float | None:
        """Milliseconds within which ``share`` (0..1) of the attempts ended; None without attempts."""
        return histogram.quantile(self.durations, share)

    @property
    def durations(self) -> list[int]:
        """How many attempts took how long, by the buckets of ``histogram``."""
        return list(map(self.counts.get, histogram.COLUMNS, repeat(0)))


def tallies(
    integrations: Iterable[UUID], start: datetime, end: datetime, columns: Sequence[str] = COUNTERS
) -> dict[UUID, Tally]:
    """Return the figures of integrations from ``start`` to ``end``, whole minutes; none for nothing counted.

    The span may begin at most two days ago unless it begins with a full hour of UTC.
    """
    return _tallies(Q(integration__in=list(integrations)), start, end, columns)


def tallies_of_all(
    organizations: Iterable[int], start: datetime, end: datetime, columns: Sequence[str] = COUNTERS
) -> dict[UUID, Tally]:
    """Return the same of all integrations of organizations: hundreds of them need not be named."""
    return _tallies(Q(organization__in=list(organizations)), start, end, columns)


def _tallies(scope: Q, start: datetime, end: datetime, columns: Sequence[str]) -> dict[UUID, Tally]:
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first, last = _next_hour(start), end.replace(minute=0, second=0, microsecond=0)
    hours, minutes = Q(at__gte=first, at__lt=last), Q(at__gte=_minute(start), at__lt=min(first, end))
    if first <= last:
        minutes |= Q(at__gte=last, at__lt=end)
    raw = _raw(columns, scope & Q(created_at__gte=_minute(start), created_at__lt=end), F("integration_id"))
    parts = [
        _sums(HourFigures, columns, scope & hours, F("integration_id")),
        _sums(MinuteFigures, columns, scope & minutes, F("integration_id")),
    ]
    return _folded(parts[0].union(parts[1], raw, all=True), columns)


def series(
    organizations: Iterable[Organization],
    first: datetime,
    step: timedelta,
    count: int,
    *,
    integration: Integration | None = None,
    columns: Sequence[str] = OUTCOMES,
) -> list[Tally]:
    """Return the figures of ``count`` spans of ``step`` each, the first of which begins at ``first``.

    Spans that are not whole hours of UTC are read from the minutes, which go back two days; for
    an older ``first`` each hour of UTC counts for the span in which it begins.
    """
    scope = Q(organization__in=organizations)
    if integration is not None:
        scope &= Q(integration=integration)
    whole = step % HOUR == timedelta(0) and first.astimezone(UTC).minute == 0
    finer = not whole and step * count <= timedelta(days=2)
    model = MinuteFigures if finer else HourFigures
    place = SpanOf("at", first, step)
    parts = [_sums(model, columns, scope & Q(at__gte=first), place)]
    if model is HourFigures and integration is None:
        parts = _hours(columns, scope & Q(at__gte=first), place)
    raw = _raw(columns, scope & Q(created_at__gte=first), SpanOf("created_at", first, step))
    found = _folded(parts[0].union(*parts[1:], raw, all=True), columns)
    return [found.get(number, Tally()) for number in range(count)]


def _sums(model: Any, columns: Sequence[str], condition: Q, key: F | SpanOf) -> QuerySet[Any, Any]:
    rows = model.objects.filter(condition).annotate(key=key).values("key")
    return rows.annotate(sums=sums(model, columns)).values_list("key", "sums").order_by()


def _hours(columns: Sequence[str], condition: Q, key: SpanOf) -> list[QuerySet[Any, Any]]:
    """Return the sums of whole organizations: of the hours that are closed, and of those still open."""
    newest = Subquery(OrganizationHours.objects.order_by("-at").values("at")[:1])
    closed = Coalesce(newest, Value(_BEGINNING), output_field=DateTimeField())
    # As with the raw rows: how far it was tells PostgreSQL how few are behind it, how far it is, which.
    open_hours = Q(at__gt=OrganizationHours.closed_until() or _BEGINNING) & Q(at__gt=closed)
    return [
        _sums(OrganizationHours, columns, condition & Q(at__lte=closed), key),
        _sums(HourFigures, columns, condition & open_hours, key),
    ]


def _raw(columns: Sequence[str], condition: Q, key: F | SpanOf) -> QuerySet[Any, Any]:
    """Return the sums of the log rows behind the cursor, in the shape of ``_sums``."""
    cursor = RollupCursor.objects.filter(name="log").values("last_id")[:1]
    counted = Coalesce(Subquery(cursor), Value(0))
    newest = IntegrationLog.objects.order_by("-pk").values_list("pk", counted).first() or (0, 0)
    # Where the cursor stood a moment ago tells PostgreSQL how few rows there are, where it stands in the
    # statement which of them count: it only moves on.
    bounds = Q(pk__gt=max(newest[0] - RAW_ROWS, newest[1])) & Q(pk__gt=counted)
    rows = IntegrationLog.objects.filter(condition, bounds, kind=LogKind.DELIVERY)
    counts = rows.annotate(key=key).values("key").annotate(sums=raw_sums(columns))
    return counts.values_list("key", "sums").order_by()


def _folded(rows: Iterable[tuple[Any, list[int]]], columns: Sequence[str]) -> dict[Any, Tally]:
    found: dict[Any, Counter[str]] = {}
    for key, values in rows:
        here = found.setdefault(key, Counter())
        here.update({name: value for name, value in zip(columns, values, strict=True) if value})
    return {key: Tally(counts) for key, counts in found.items()}


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _next_hour(at: datetime) -> datetime:
    full = at.replace(minute=0, second=0, microsecond=0)
    return full if full == at else full + HOUR
