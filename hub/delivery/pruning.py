"""Lets go of finished items, log entries and what these say, when their retention has passed.

Each organization's own rows are walked through by their keys, which sort by time, so that the oldest
are found at once and nothing is looked at twice.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from hub.accounts.retention import Kept, bounds
from hub.delivery.models import FINISHED, IntegrationLog, QueueItem, State
from hub.lib.ids import first_at
from hub.lib.pace import Pace, Rounds

#: How often a slice is due; some hours after all is done, all is looked through again.
SLICE_EVERY = 15.0
#: How long to rest after a step, in its own lengths: while deliveries wait, and else.
REST_BESIDE_WORK, REST = 6.0, 0.5


def gentle() -> Pace:
    """Return a pace that gives way while something is due."""
    return Pace(rest=_rest)


def _rest() -> float:
    due = QueueItem.objects.filter(state=State.PENDING, due_at__lte=timezone.now())
    return REST_BESIDE_WORK if due.exists() else REST


def prune(pace: Pace | None = None) -> int:
    """Remove finished items and log entries past their organization's retention; return how many went."""
    pace, now = pace or gentle(), timezone.now()
    removed = 0
    for organization_id, before in bounds(Kept.EVENTS, now):
        for state in FINISHED:
            # By the time in their ids, so that no index is needed which every delivery would have to write.
            old = QueueItem.objects.filter(
                organization_id=organization_id, state=state, pk__lt=first_at(before), finished_at__lt=before
            )
            removed += prune_rows(old, pace)
    for organization_id, before in bounds(Kept.LOGS, now):
        removed += prune_rows(_entries(organization_id, before), pace)
    for organization_id, before in bounds(Kept.CONTENTS, now):
        told = _entries(organization_id, before).exclude(exchanges=[])
        removed += change_rows(told, pace, exchanges=[])
    return removed


def _entries(organization_id: int, before: datetime) -> QuerySet[IntegrationLog]:
    """Return the organization's log up to a moment, bounded by key."""
    older = IntegrationLog.objects.filter(created_at__lt=before).order_by("-created_at")
    last = older.values_list("pk", flat=True).first() or 0
    return IntegrationLog.objects.filter(organization_id=organization_id, pk__lte=last, created_at__lt=before)


def prune_rows(rows: QuerySet[Any], pace: Pace | None = None) -> int:
    """Delete ``rows`` in short steps of their own transactions; return how many went.

    A row is locked before it goes and must still be one of ``rows`` then: what somebody retries at
    that moment stays.
    """
    return _each(rows, pace or gentle(), partial(delete, rows.model))


def change_rows(rows: QuerySet[Any], pace: Pace, **values: Any) -> int:
    """Give ``rows`` other values in the same way; return how many were changed."""
    return _each(rows, pace, lambda ids: rows.model._default_manager.filter(pk__in=ids).update(**values))


def _each(rows: QuerySet[Any], pace: Pace, do: Callable[[list[Any]], object]) -> int:
    """Lock the next of ``rows``, in the order of their keys, and have ``do`` done to their ids."""
    last: list[Any] = []

    def step(size: int) -> int:
        left = rows.filter(pk__gt=last[0]) if last else rows
        with transaction.atomic():
            locked = left.order_by("pk").select_for_update(skip_locked=True)
            ids = list(locked.values_list("pk", flat=True)[:size])
            if ids:
                do(ids)
                last[:] = [ids[-1]]
        return len(ids)

    return pace.walk(step)


def delete(model: type[Model], ids: Iterable[UUID | int]) -> None:
    """Delete rows by their keys, without loading them; call it in a transaction."""
    keys: list[Any] = list(ids)
    if model is QueueItem:
        # All that points to an item (a test holds that): Django would load every row to find them.
        QueueItem.objects.filter(replay_of_id__in=keys).update(replay_of=None)
    rows: Any = model._default_manager.filter(pk__in=keys)
    if model is QueueItem:
        rows._raw_delete(rows.db)
    else:
        rows.delete()


#: A slice of it, for the schedule.
prune_slice = Rounds(prune, gentle)
