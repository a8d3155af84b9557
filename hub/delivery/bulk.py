"""One deed to every queue item of a selection: looked at first, then done by a worker, step by step.

Each step is one transaction: it holds the run's row, does the deed to the next items in the order of
their ids, and writes how far it came. A worker that dies undoes its step as a whole, and the next one
goes on where the last left off: nothing is done twice, and the counts are exact. Two workers never do
the same run at once, because the second passes over a row that is held.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import operations
from hub.delivery.load import Stop, longest, stops
from hub.delivery.models import FINISHED, BulkDeed, BulkRun, QueueItem, State
from hub.delivery.wake import wake_jobs
from hub.lib.ids import first_at

logger = logging.getLogger(__name__)

#: Items of one step: short enough that a claim never waits long behind it.
STEP = 500
#: The states from which a deed does something.
STATES = {
    BulkDeed.RETRY: (State.FAILED, State.CANCELLED, State.SKIPPED, State.PENDING),
    BulkDeed.CANCEL: (State.PENDING,),
    BulkDeed.REPLAY: FINISHED,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items of an organization. Empty texts select all; a ``label`` may end in ``*``.

    ``since`` and ``until``: when an item of a finished state finished, or when one that is not was made.
    """

    state: str
    integration: UUID | None = None
    label: str = ""
    subject: str = ""
    external_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def items(self, organization_id: int) -> QuerySet[QueueItem]:
        """Return the items, in no order."""
        rows = QueueItem.objects.filter(organization_id=organization_id, state=self.state)
        clock = "finished_at" if self.state in FINISHED else "created_at"
        prefix = self.label.endswith("*")
        wanted = {
            "integration_id": self.integration,
            "label__startswith" if prefix else "label": self.label.rstrip("*"),
            "subject": self.subject,
            "external_id": self.external_id,
            f"{clock}__gte": self.since,
            f"{clock}__lt": self.until,
        }
        return rows.filter(**{name: value for name, value in wanted.items() if value}).order_by()

    def words(self, count: int = 2) -> str:
        """Return it as a sentence's part: ``failed deliveries to Stripe, since …`` of ``count``."""
        parts = [f"{State(self.state).label.lower()} {'delivery' if count == 1 else 'deliveries'}"]
        if self.integration:
            found = Integration.objects.filter(pk=self.integration).first()
            parts[0] += f" to {found or 'an integration that was removed'}"
        for text, value in (("of type", self.label), ("about", self.subject), ("with id", self.external_id)):
            parts += [f"{text} {value}"] if value else []
        for text, moment in (("since", self.since), ("until", self.until)):
            parts += [f"{text} {timezone.localtime(moment):%-d %b %Y, %H:%M %Z}"] if moment else []
        return ", ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The form that ``BulkRun.selection`` keeps."""
        kept = {name: value for name, value in asdict(self).items() if value}
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in kept.items()
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, str]) -> "Selection":
        """Read what ``as_json`` returned."""
        read: dict[str, Callable[[str], Any]] = {
            "integration": UUID,
            "since": datetime.fromisoformat,
            "until": datetime.fromisoformat,
        }
        return cls(**{name: read.get(name, str)(value) for name, value in kept.items()})


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a deed would do now. ``exact`` is False where there are more items than were counted."""

    count: int
    exact: bool
    stops: list[Stop]

    @property
    def seconds(self) -> float | None:
        """Seconds until all is sent, at the limits in force."""
        return longest(self.stops)


def look(organization_id: int, selection: Selection) -> Outlook:
    """Return how many items there are, where they would go, and for how long. Changes nothing."""
    found, counted = stops(selection.items(organization_id))
    return Outlook(counted.total, counted.exact, found)


def begin(organization_id: int, deed: str, selection: Selection, by: str = "") -> BulkRun:
    """Start a deed to all that ``selection`` holds now; raise ValueError for a state it does nothing in."""
    if selection.state not in STATES[BulkDeed(deed)]:
        states = ", ".join(STATES[BulkDeed(deed)])
        raise ValueError(f"To {deed} takes items that are one of: {states}; not {selection.state}.")
    outlook = look(organization_id, selection)
    run = BulkRun.objects.create(
        organization_id=organization_id,
        deed=deed,
        selection=selection.as_json(),
        total=outlook.count if outlook.exact else None,
        before=first_at(timezone.now()),
        started_by=by[:150],
    )
    transaction.on_commit(wake_jobs)
    return run


def stop(run: BulkRun) -> bool:
    """End a run after its present step; return whether it still ran. What is done stays done."""
    ended = {"state": BulkRun.State.CANCELLED, "finished_at": timezone.now()}
    return bool(BulkRun.objects.filter(pk=run.pk, state=BulkRun.State.RUNNING).update(**ended))


def work() -> int:
    """Do one step of the oldest run that nobody holds; return how many steps that was. A worker's job."""
    running = BulkRun.objects.filter(state=BulkRun.State.RUNNING)
    # Asked first without a transaction: on SQLite one would take the write lock for nothing.
    if not running.exists():
        return 0
    with transaction.atomic():
        run = running.select_for_update(skip_locked=True).order_by("id").first()
        if run is None:
            return 0
        _advance(run)
    return 1


def _advance(run: BulkRun) -> None:
    try:
        with transaction.atomic():
            _step(run)
    except OperationalError:
        raise  # the database is away or chose another: the worker tries this step again
    except Exception as error:
        logger.exception("Bulk run %s failed", run.pk)
        run.refresh_from_db()
        run.state, run.finished_at = BulkRun.State.FAILED, timezone.now()
        kind = type(error).__name__
        run.message = f"It stopped after {run.looked_at} items ({kind}). What is done stays done."
        run.save(update_fields=["state", "message", "finished_at"])


def _step(run: BulkRun) -> None:
    rows = Selection.from_json(run.selection).items(run.organization_id).filter(pk__lt=run.before)
    if run.cursor is not None:
        rows = rows.filter(pk__gt=run.cursor)
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:STEP])
    if ids:
        # Once more by state: what a worker took or settled since it was found is left alone.
        items = QueueItem.objects.filter(pk__in=ids, state__in=STATES[BulkDeed(run.deed)])
        run.done += _DEEDS[BulkDeed(run.deed)](items)
        run.looked_at, run.cursor = run.looked_at + len(ids), ids[-1]
    if len(ids) < STEP:
        run.state, run.finished_at = BulkRun.State.COMPLETED, timezone.now()
    run.save(update_fields=["done", "looked_at", "cursor", "state", "finished_at"])


_DEEDS: dict[BulkDeed, Callable[[QuerySet[QueueItem]], int]] = {
    BulkDeed.RETRY: operations.retry,
    BulkDeed.CANCEL: operations.cancel,
    BulkDeed.REPLAY: lambda items: len(operations.replay(items)),
}
