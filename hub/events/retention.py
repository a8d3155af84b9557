"""Lets go of events, or only of their data, when that time has passed and nothing waits for them."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from hub.accounts.retention import Kept, bounds
from hub.delivery.models import FINISHED, QueueItem
from hub.delivery.pruning import delete, gentle
from hub.events.envelopes import SOURCE_TYPE
from hub.events.models import Event
from hub.lib.ids import first_at
from hub.lib.pace import Pace, Rounds

#: Does something to the events of a batch that are still free; returns to how many.
Deed = Callable[[set[UUID]], int]


def prune(pace: Pace | None = None) -> int:
    """Remove events, and elsewhere their data alone, past their organization's retention.

    An event stays as it is for as long as one of its items is not finished, or finished so lately that
    somebody may still want to retry it: its items go first or with it, never after it. Returns how
    many went.
    """
    pace, now = pace or gentle(), timezone.now()
    removed = 0
    for organization_id, before in bounds(Kept.EVENTS, now):
        removed += _walk(_received(organization_id, before), before, pace, _remove)
    for organization_id, before in bounds(Kept.CONTENTS, now):
        telling = _received(organization_id, before).filter(data_removed_at=None)
        removed += _walk(telling, before, pace, partial(_empty, now=now))
    return removed


def _received(organization_id: int, before: datetime) -> QuerySet[Event]:
    # Ids begin with the time, so that the index on them leads straight to the old ones. The id is made
    # just before the row, so the bound is the millisecond after.
    bound = UUID(int=first_at(before).int + (1 << 80))
    return Event.objects.filter(organization_id=organization_id, pk__lt=bound, received_at__lt=before)


def _walk(rows: QuerySet[Event], before: datetime, pace: Pace, deed: Deed) -> int:
    kept = _items_that_keep(before).filter(source_id=OuterRef("pk"))
    free = rows.exclude(Exists(kept)).order_by("pk")
    last: list[UUID] = []
    done = 0

    def step(size: int) -> int:
        nonlocal done
        left = free.filter(pk__gt=last[0]) if last else free
        batch = list(left.values_list("pk", flat=True)[:size])
        if batch:
            last[:] = [batch[-1]]
            done += _do(deed, batch, before)
        return len(batch)

    pace.walk(step)
    return done


def _do(deed: Deed, batch: list[UUID], before: datetime) -> int:
    """Do it to those of the batch that are still free.

    The rows are locked and looked at again: a retry or a replay of that moment either comes first and
    keeps its event, or finds nothing any more.
    """
    with transaction.atomic():
        rows = Event.objects.select_for_update(skip_locked=True).filter(pk__in=batch)
        events = set(rows.values_list("pk", flat=True))
        items = _items_of(events)
        list(items.select_for_update().order_by("pk").values_list("pk", flat=True))
        events -= set(
            _items_that_keep(before).filter(source_id__in=events).values_list("source_id", flat=True)
        )
        return deed(events)


def _remove(events: set[UUID]) -> int:
    delete(QueueItem, _items_of(events).values_list("pk", flat=True))
    delete(Event, events)
    return len(events)


def _empty(events: set[UUID], now: datetime) -> int:
    return Event.objects.filter(pk__in=events).update(data=None, data_removed_at=now)


def _items_of(events: set[UUID]) -> QuerySet[QueueItem]:
    return QueueItem.objects.filter(source_type=SOURCE_TYPE, source_id__in=events)


def _items_that_keep(before: datetime) -> QuerySet[QueueItem]:
    """Return the items that need their event: open ones, and those that finished lately."""
    done = Q(state__in=FINISHED, finished_at__lt=before)
    return QueueItem.objects.filter(~done, source_type=SOURCE_TYPE)


#: A slice of it, for the schedule.
prune_slice = Rounds(prune, gentle)
