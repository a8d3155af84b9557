"""The charts of the home page: data and options as Chart.js takes them, for a span that one chooses."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from hub.accounts.models import Organization
from hub.metrics import histogram
from hub.metrics.figures import Tally, series
from hub.metrics.models import OUTCOMES, WEBHOOKS

#: Columns that the charts and the tiles read.
COLUMNS = (*OUTCOMES, *histogram.COLUMNS, *WEBHOOKS)
_GREY = "#8b93a1"


@dataclass(frozen=True, slots=True)
class Span:
    """What one looks at: ``count`` steps that end now; ``clock`` labels one."""

    key: str
    label: str
    words: str
    step: timedelta
    count: int
    clock: str

    @property
    def minutes(self) -> float:
        """Length in minutes."""
        return self.step * self.count / timedelta(minutes=1)


SPANS = (
    Span("1h", "1 h", "the last hour", timedelta(minutes=1), 60, "%H:%M"),
    Span("24h", "24 h", "the last 24 hours", timedelta(hours=1), 24, "%H:%M"),
    Span("7d", "7 days", "the last 7 days", timedelta(hours=6), 28, "%a %H:%M"),
    Span("30d", "30 days", "the last 30 days", timedelta(days=1), 30, "%-d %b"),
)


def chosen_span(key: str) -> Span:
    """Return the span of ``key``, else 24 hours."""
    return next((span for span in SPANS if span.key == key), SPANS[1])


def read(organizations: Iterable[Organization], span: Span) -> tuple[list[str], list[Tally]]:
    """Return the labels and figures of the steps, oldest first, the present one included."""
    first = _begin(span, timezone.localtime())
    found = series(organizations, first, span.step, span.count, columns=COLUMNS)
    starts = (timezone.localtime(first + span.step * number) for number in range(span.count))
    return [start.strftime(span.clock) for start in starts], found


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of all steps."""
    return sum(tallies, Tally())


def charts(labels: Sequence[str], found: Sequence[Tally]) -> list[dict[str, Any]]:
    """Return the charts: id, title, kind, and data and options as JSON."""
    return [
        _chart("attempts", "Delivery attempts", "bar", labels, _attempts(found), stacked=True),
        _chart("latency", "Answered within, milliseconds", "line", labels, _latency(found)),
    ]


def _begin(span: Span, now: datetime) -> datetime:
    """Return the start of the first step, in UTC: where the clocks change, local days differ in length."""
    if span.step < timedelta(hours=1):
        last = now.replace(second=0, microsecond=0)
    elif span.step < timedelta(days=1):
        hours = int(span.step.total_seconds() // 3600)
        last = now.replace(hour=now.hour - now.hour % hours, minute=0, second=0, microsecond=0)
    else:
        last = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return last.astimezone(UTC) - span.step * (span.count - 1)


def _attempts(found: Sequence[Tally]) -> list[dict[str, Any]]:
    return [
        {
            "label": "Succeeded",
            "data": [tally.succeeded for tally in found],
            "backgroundColor": "var(--color-primary-500)",
        },
        {"label": "Failed", "data": [tally.failed for tally in found], "backgroundColor": "#ef4444"},
    ]


def _latency(found: Sequence[Tally]) -> list[dict[str, Any]]:
    lines = (("Half of the attempts", 0.5, "#94a3b8"), ("95 % of the attempts", 0.95, "#f59e0b"))
    return [
        {
            "label": label,
            "data": [_rounded(tally.latency(share)) for tally in found],
            "borderColor": colour,
            "backgroundColor": colour,
            "borderWidth": 2,
            "pointRadius": 2,
            "tension": 0.25,
            "spanGaps": True,
        }
        for label, share, colour in lines
    ]


def _rounded(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _chart(
    key: str,
    title: str,
    kind: str,
    labels: Sequence[str],
    datasets: list[dict[str, Any]],
    *,
    stacked: bool = False,
) -> dict[str, Any]:
    ticks = {"color": _GREY, "maxRotation": 0, "autoSkipPadding": 14}
    options = {
        "responsive": True,
        "maintainAspectRatio": False,
        "animation": False,
        "interaction": {"mode": "index", "intersect": False},
        "barPercentage": 0.85,
        "categoryPercentage": 0.9,
        "borderRadius": 3,
        "plugins": {
            "legend": {"align": "end", "labels": {"boxWidth": 10, "boxHeight": 10, "color": _GREY}},
        },
        "scales": {
            "x": {"stacked": stacked, "grid": {"display": False}, "ticks": ticks},
            "y": {
                "stacked": stacked,
                "beginAtZero": True,
                "suggestedMax": 5,
                "border": {"display": False},
                "ticks": {**ticks, "precision": 0, "maxTicksLimit": 6},
                "grid": {"display": True},
            },
        },
    }
    data = {"labels": list(labels), "datasets": datasets}
    return {
        "key": key,
        "title": title,
        "kind": kind,
        # What the live part brings anew; numbers and clock times only, so it is safe within a script.
        "json": SafeString(  # nosec B703
            json.dumps({"labels": list(labels), "data": [entry["data"] for entry in datasets]})
        ),
        "data": json.dumps(data),
        "options": json.dumps(options),
    }
