"""Counts what happened, once: from the integration log and the received webhooks into the figures.

A cursor per table says up to which id rows are counted. A step counts the rows of the next ids and
then, in ONE transaction, moves the cursor from where it stood and adds the counts. So a crash undoes
the step as a whole, and of two schedulers that do the same step the second finds the cursor moved and
adds nothing. ``horizon`` says how far a step may go without passing a row that is not committed yet.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Sum, Value, When
from django.utils import timezone

from hub.delivery.log import db_key, db_time
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.metrics import histogram
from hub.metrics.horizon import final_id
from hub.metrics.models import (
    COUNTERS,
    OUTCOMES,
    Counts,
    HourFigures,
    MinuteFigures,
    OrganizationHours,
    RollupCursor,
    TotalFigures,
)
from hub.metrics.times import StartOfMinute
from webhooks.models import ReceivedWebhook

#: Rows per step: the transaction that writes their sums holds up nobody for more than some milliseconds.
STEP = 2_000
#: Rows per INSERT.
ROWS = 200
#: Seconds that one run may take; what is left waits for the next, so that the sweep is not held up.
LONGEST_RUN = 5.0
#: Two days, and the hours by which the start of yesterday may lie further back.
MINUTES_KEPT = timedelta(days=2, hours=2)
HOURS_KEPT = timedelta(days=400)

_UPSERT = """
    INSERT INTO /* table */ (/* columns */) VALUES /* rows */
    ON CONFLICT (/* key */) DO UPDATE SET /* sums */
"""

#: The columns that name a row of figures, and those of them that do so alone.
_KEYS: dict[type[Counts], tuple[tuple[str, ...], tuple[str, ...]]] = {
    MinuteFigures: (("organization_id", "integration_id", "at"), ("integration_id", "at")),
    HourFigures: (("organization_id", "integration_id", "at"), ("integration_id", "at")),
    TotalFigures: (("organization_id", "integration_id"), ("integration_id",)),
    OrganizationHours: (("organization_id", "at"), ("organization_id", "at")),
}

#: (organization, integration, minute) → counts by column.
Counted = dict[tuple[int, UUID, datetime], Counter[str]]

BUCKET = Case(
    *(When(duration_ms__lte=bound, then=Value(place)) for place, bound in enumerate(histogram.BOUNDS)),
    default=Value(len(histogram.BOUNDS)),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A table that is counted: the name of its cursor, and what the rows after one id up to another say."""

    name: str
    model: type[models.Model]
    count: Callable[[int, int], Counted]


def roll_up(longest: float = LONGEST_RUN) -> int:
    """Count what is new, for ``longest`` seconds at most; return how many steps were done."""
    deadline = time.monotonic() + longest
    return sum(_catch_up(source, deadline) for source in SOURCES)


def _catch_up(source: Source, deadline: float) -> int:
    last = final_id(source.model)
    steps = 0
    while last is not None and time.monotonic() < deadline and step(source, last):
        steps += 1
    return steps


def step(source: Source, last: int) -> bool:
    """Count the next rows of ``source``, up to the id ``last``; return whether there were any."""
    RollupCursor.objects.bulk_create([RollupCursor(name=source.name)], ignore_conflicts=True)
    begin = RollupCursor.objects.get(name=source.name).last_id
    if begin >= last:
        return False
    end = _step_end(source, begin, last)
    counted = source.count(begin, end)
    with transaction.atomic():
        moved = RollupCursor.objects.filter(name=source.name, last_id=begin).update(last_id=end)
        if moved:
            _add(counted)
    return bool(moved)


def _step_end(source: Source, begin: int, last: int) -> int:
    """Return the id of the row a step further on: ids have gaps, steps should not be empty."""
    rows = source.model._default_manager.filter(pk__gt=begin, pk__lte=last).order_by("pk")
    found = rows.values_list("pk", flat=True)[STEP - 1 : STEP]
    return next(iter(found), last)


def count_log(begin: int, end: int) -> Counted:
    """Count the delivery attempts among the log's rows after ``begin`` up to ``end``."""
    counted: Counted = defaultdict(Counter)
    attempts = IntegrationLog.objects.filter(pk__gt=begin, pk__lte=end, kind=LogKind.DELIVERY).annotate(
        minute=StartOfMinute("created_at")
    )
    groups = attempts.annotate(bucket=BUCKET).values_list(
        "organization_id", "integration_id", "minute", "outcome", "bucket"
    )
    for *key, outcome, bucket, count, duration in groups.annotate(Count("pk"), Sum("duration_ms")).order_by():
        here = counted[_key(key)]
        column = "lost" if outcome == "lease_expired" else outcome
        here[column if column in OUTCOMES else "other"] += count
        if column != "lost":
            here[histogram.COLUMNS[bucket]] += count
            here["duration_ms"] += duration
    ended = QueueItem.objects.filter(pk=OuterRef("item_id"), state=State.FAILED, attempts=OuterRef("attempt"))
    failed = attempts.exclude(outcome="ok").filter(Exists(ended))
    ends = failed.values_list("organization_id", "integration_id", "minute")
    for *key, count in ends.annotate(Count("item_id", distinct=True)).order_by():
        counted[_key(key)]["failed_items"] += count
    return counted


def count_webhooks(begin: int, end: int) -> Counted:
    """Count the calls to webhook endpoints after ``begin`` up to ``end``, by the endpoint's integration."""
    counted: Counted = defaultdict(Counter)
    calls = ReceivedWebhook.objects.filter(pk__gt=begin, pk__lte=end).annotate(
        minute=StartOfMinute("received_at")
    )
    groups = calls.values_list("organization_id", "endpoint__integration_id", "minute", "state")
    columns = {
        ReceivedWebhook.State.REFUSED.value: "webhooks_refused",
        ReceivedWebhook.State.DUPLICATE.value: "webhooks_repeated",
    }
    for *key, state, count in groups.annotate(Count("pk")).order_by():
        counted[_key(key)][columns.get(state, "webhooks_accepted")] += count
    return counted


#: Whatever is counted. The names are those of the cursors.
SOURCES = (
    Source("log", IntegrationLog, count_log),
    Source("webhooks", ReceivedWebhook, count_webhooks),
)


def _key(values: list[Any]) -> tuple[int, UUID, datetime]:
    return values[0], values[1], values[2]


def _add(counted: Counted) -> None:
    """Add counts to the figures of their minute, their hour, and in all."""
    now = timezone.now()
    by_hour: Counted = defaultdict(Counter)
    totals: dict[tuple[int, UUID], Counter[str]] = defaultdict(Counter)
    for (organization, integration, minute), counts in counted.items():
        by_hour[organization, integration, minute.replace(minute=0)].update(counts)
        totals[organization, integration].update(counts)
    _upsert(MinuteFigures, _young(counted, now - MINUTES_KEPT))
    _upsert(HourFigures, _young(by_hour, now - HOURS_KEPT))
    _upsert(TotalFigures, totals.items())
    _upsert(OrganizationHours, _late(by_hour, now - HOURS_KEPT).items())


def _late(by_hour: Counted, since: datetime) -> dict[tuple[int, datetime], Counter[str]]:
    """Return what belongs to hours that are summed already, by organization."""
    late: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
    closed = OrganizationHours.closed_until()
    if closed is not None:
        for (organization, _, hour), counts in by_hour.items():
            if since <= hour <= closed:
                late[organization, hour].update(counts)
    return late


def _young(counted: Counted, since: datetime) -> Iterable[tuple[tuple[Any, ...], Counter[str]]]:
    return (entry for entry in counted.items() if entry[0][2] >= since)


def _upsert(model: type[Counts], entries: Iterable[tuple[tuple[Any, ...], Counter[str]]]) -> None:
    # One order for everybody: two writers of the same rows must not wait for each other in a ring.
    ordered = sorted(entries, key=lambda entry: entry[0])
    for start in range(0, len(ordered), ROWS):
        _upsert_some(model, ordered[start : start + ROWS])


def _upsert_some(model: type[Counts], entries: Sequence[tuple[tuple[Any, ...], Counter[str]]]) -> None:
    key, once = _KEYS[model]
    # Most columns count nothing most of the time; they are left to their default.
    columns = [name for name in COUNTERS if any(counts[name] for _, counts in entries)]
    if not columns:
        return
    table = connection.ops.quote_name(model._meta.db_table)
    row = f"({', '.join(['%s'] * (len(key) + len(columns)))})"
    sql = (
        _UPSERT.replace("/* table */", table)
        .replace("/* columns */", ", ".join([*key, *columns]))
        .replace("/* rows */", ", ".join([row] * len(entries)))
        .replace("/* key */", ", ".join(once))
        .replace("/* sums */", ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in columns))
    )
    values = [value for of, counts in entries for value in _values(of, counts, columns)]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def _values(key: tuple[Any, ...], counts: Counter[str], columns: Sequence[str]) -> list[Any]:
    return [*map(_in_sql, key), *(counts[name] for name in columns)]


def _in_sql(part: Any) -> Any:
    if isinstance(part, UUID):
        return db_key(part)
    return db_time(part) if isinstance(part, datetime) else part
