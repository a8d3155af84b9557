"""Lets go of finished items, log entries and what these say, when their retention has passed.

Each organization's own rows are walked through by their keys, which sort by time, so that the oldest
are found at once and nothing is looked at twice.

Deliveries go first, but never for ever. While one is under way or due, a step is followed by a rest of
``REST_BESIDE_WORK`` times its length: one thirteenth of the time is the floor, however deep the queue.
A round that has not come to its end within ``PATIENCE`` has more to remove than fits there: from then
on it rests ``REST_BEHIND`` only, a third of the time, until it is through. With nothing to deliver it
takes two thirds.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from hub.accounts.retention import Kept, bounds
from hub.delivery import store
from hub.delivery.models import FINISHED, IntegrationLog, QueueItem
from hub.lib.ids import first_at
from hub.lib.pace import Pace, Rounds

#: How often a slice is due; some hours after all is done, all is looked through again.
SLICE_EVERY = 15.0
#: How long to rest after a step, in its own lengths: beside deliveries, beside them when the round takes
#: longer than PATIENCE, and else.
REST_BESIDE_WORK, REST_BEHIND, REST = 12.0, 2.0, 0.5
#: Seconds after which a round gives way less.
PATIENCE = 6 * 3600.0
#: PostgreSQL locks and deletes items with one statement: to send it hundreds of keys again, twice, costs
#: more than the deleting, and where the processors are busy each statement waits for its turn. Replays that
#: stay forget what they repeat; those that go with it must not be touched twice.
_AT_ONCE = """
    WITH old (id) AS ({keys} FOR UPDATE SKIP LOCKED), freed AS (
        UPDATE delivery_queueitem SET replay_of_id = NULL FROM old
        WHERE replay_of_id = old.id AND delivery_queueitem.id NOT IN (SELECT id FROM old)
    )
    DELETE FROM delivery_queueitem USING old WHERE delivery_queueitem.id = old.id RETURNING old.id
"""


def gentle(behind: float = 0.0) -> Pace:
    """Return a pace that gives way to deliveries, in a round that began ``behind`` seconds ago."""
    return Pace(rest=partial(_rest, REST_BESIDE_WORK if behind < PATIENCE else REST_BEHIND))


def _rest(beside_work: float) -> float:
    return beside_work if store.busy(timezone.now()) else REST


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
    at_once = rows.model is QueueItem and connection.vendor == "postgresql"
    take = _delete_at_once if at_once else partial(_lock_and, partial(delete, rows.model))
    return _each(rows, pace or gentle(), take)


def change_rows(rows: QuerySet[Any], pace: Pace, **values: Any) -> int:
    """Give ``rows`` other values in the same way; return how many were changed."""
    manager = rows.model._default_manager
    return _each(rows, pace, partial(_lock_and, lambda ids: manager.filter(pk__in=ids).update(**values)))


def _each(rows: QuerySet[Any], pace: Pace, take: Callable[[QuerySet[Any]], list[Any]]) -> int:
    """Have ``take`` do something to the next of ``rows``, in the order of their keys, and return them."""
    last: list[Any] = []

    def step(size: int) -> int:
        left = rows.filter(pk__gt=last[0]) if last else rows
        ids = take(left.order_by("pk").values_list("pk", flat=True)[:size])
        if ids:
            last[:] = [max(ids)]
        return len(ids)

    return pace.walk(step)


def _lock_and(do: Callable[[list[Any]], object], keys: QuerySet[Any]) -> list[Any]:
    """Lock the rows of these keys that nobody else holds, have ``do`` done to them, return them."""
    with transaction.atomic():
        ids = list(keys.select_for_update(skip_locked=True))
        if ids:
            do(ids)
    return ids


def _delete_at_once(keys: QuerySet[Any]) -> list[Any]:
    """Lock and delete the items of these keys with one statement; return them."""
    text, values = keys.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_AT_ONCE.format(keys=text), values)
        return [row[0] for row in cursor.fetchall()]


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
