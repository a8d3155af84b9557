"""Reports over any span of up to 400 days: figures per integration and hour or day, from the rollups.

What happened in the last seconds follows with the next rollup.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import F

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.metrics import histogram
from hub.metrics.figures import Tally
from hub.metrics.models import OUTCOMES, WEBHOOKS, HourFigures
from hub.metrics.sums import sums
from hub.metrics.times import StartOfDay

#: How long the spans of a report are, and how far back each kind may look.
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=400)}
#: Percentiles of the latency that a report tells.
SHARES = (50, 95, 99)
#: Rows of a page, about: it holds whole hours or days, with all their integrations.
PAGE_ROWS = 1_500


class ReportError(ValueError):
    """The report cannot be made as it was asked for: the field, and a sentence."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about: from ``start`` to ``end``, cut into steps of UTC."""

    start: datetime
    end: datetime
    step: str

    @classmethod
    def over(cls, start: datetime | None, end: datetime | None, step: str, now: datetime) -> "Span":
        """Return the span, whole steps, by default the last seven days; raise ReportError."""
        last = (end or now).astimezone(UTC)
        try:
            first = start.astimezone(UTC) if start else last - timedelta(days=7)
        except OverflowError:
            raise ReportError("end", "'end' lies too far back.") from None
        if first >= last:
            raise ReportError("start", "'start' must lie before 'end'.")
        if last - first > LONGEST[step]:
            days = LONGEST[step].days
            raise ReportError("start", f"A report by the {step} may cover {days} days; choose less.")
        return cls(_floor(first, step), last, step)

    def page(self, begin: datetime | None, steps: int) -> "Span":
        """Return the part of ``steps`` whole steps that begins at ``begin``, else at the start."""
        first = self.start
        if begin is not None and begin > first:
            first = _floor(begin.astimezone(UTC), self.step) if begin < self.end else self.end
        long = STEPS[self.step] * steps
        # Compared as lengths: at the end of the calendar there is no later time.
        return Span(first, first + long if long < self.end - first else self.end, self.step)


def deliveries(counts: Tally) -> dict[str, Any]:
    """Attempts and how long they took, in milliseconds (null where there were none)."""
    attempts, succeeded, buckets = counts.attempts, counts.succeeded, counts.durations
    timed = sum(buckets)
    latencies = zip(SHARES, histogram.quantiles(buckets, [share / 100 for share in SHARES]), strict=True)
    return {
        "attempts": attempts,
        "succeeded": succeeded,
        "failed": attempts - succeeded,
        "failed_items": counts["failed_items"],
        "success_rate": round(succeeded / attempts, 4) if attempts else None,
        "average_ms": round(counts["duration_ms"] / timed, 1) if timed else None,
        **{f"p{share}_ms": _rounded(latency) for share, latency in latencies},
    }


def errors(counts: Tally) -> dict[str, Any]:
    """Attempts that did not succeed, by the kind of the error, and items that failed for good."""
    kinds = {outcome: counts[outcome] for outcome in OUTCOMES if outcome != "ok"}
    return {"failed": counts.failed, **kinds, "failed_items": counts["failed_items"]}


def webhooks(counts: Tally) -> dict[str, Any]:
    """Calls to the integration's webhook endpoints."""
    return {column.removeprefix("webhooks_"): counts[column] for column in WEBHOOKS}


#: What each report says of a count, and which columns it reads.
REPORTS: Mapping[str, tuple[Callable[[Tally], dict[str, Any]], Sequence[str]]] = {
    "deliveries": (deliveries, (*OUTCOMES, "failed_items", "duration_ms", *histogram.COLUMNS)),
    "errors": (errors, (*OUTCOMES, "failed_items")),
    "webhooks": (webhooks, WEBHOOKS),
}


def report(
    organization: Organization,
    kind: str,
    span: Span,
    integration: Integration | None = None,
    begin: datetime | None = None,
) -> dict[str, Any]:
    """Return a page of the report as data: ``rows`` (nothing is said of spans without figures), their
    ``totals``, and ``next_cursor``, which is the ``begin`` of the next page, or None.
    """
    known = Integration.objects.filter(organization=organization)
    if integration is not None:
        known = known.filter(pk=integration.pk)
    names = {pk: (slug, provider) for pk, slug, provider in known.values_list("pk", "slug", "provider_slug")}
    page = span.page(begin, max(1, PAGE_ROWS // max(1, len(names))))
    told, read = REPORTS[kind]
    total, rows = Counter[str](), []
    for at, slug, provider, counts in _counted(organization, page, integration, read, names):
        said = told(Tally(counts))
        if any(said.values()):
            rows.append({"at": at, "integration": slug, "provider": provider, **said})
            total.update(counts)
    return {
        "report": kind,
        "start": span.start,
        "end": span.end,
        "step": span.step,
        "rows": rows,
        "totals": told(Tally(total)),
        "next_cursor": page.end.isoformat() if page.end < span.end else None,
    }


def columns(kind: str) -> list[str]:
    """Return the names of a report's columns."""
    return ["at", "integration", "provider", *REPORTS[kind][0](Tally())]


def _counted(
    organization: Organization,
    span: Span,
    integration: Integration | None,
    read: Sequence[str],
    names: Mapping[UUID, tuple[str, str]],
) -> Iterator[tuple[datetime, str, str, dict[str, int]]]:
    """Yield (beginning, slug, provider, counts of the columns ``read``), by time and slug."""
    rows = HourFigures.objects.filter(organization=organization, at__gte=span.start, at__lt=span.end)
    if integration is not None:
        rows = rows.filter(integration=integration)
    begin: Any = StartOfDay("at") if span.step == "day" else F("at")
    found = rows.annotate(begin=begin).values("begin", "integration_id").order_by()
    summed = found.annotate(sums=sums(HourFigures, read)).values_list("begin", "integration_id", "sums")
    named = ((at, *names[pk], values) for at, pk, values in summed if pk in names)
    for at, slug, provider, values in sorted(named, key=itemgetter(0, 1)):
        yield at, slug, provider, {name: value for name, value in zip(read, values, strict=True) if value}


def _floor(at: datetime, step: str) -> datetime:
    full = at.replace(minute=0, second=0, microsecond=0)
    return full.replace(hour=0) if step == "day" else full


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
