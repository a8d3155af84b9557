"""Lets go of events whose time has passed and that nothing waits for any more."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from hub.delivery.housekeeping import CHUNK, FINISHED
from hub.delivery.models import QueueItem
from hub.events.envelopes import SOURCE_TYPE
from hub.events.models import Event

#: Nothing is below it.
_LEAST = UUID(int=0)


def prune() -> int:
    """Remove events past their retention, in short batches; return how many went.

    An event stays for as long as one of its items is not finished, or finished so lately that
    somebody may still want to retry it: its items go first or with it, never after it.
    """
    before = timezone.now() - timedelta(days=settings.HUB.retention_days)
    removed, last = 0, _LEAST
    while batch := _next_batch(before, last):
        removed += _remove(batch, before)
        last = batch[-1]
    return removed


def _next_batch(before: datetime, last: UUID) -> list[UUID]:
    """Return the ids of the next old events that nothing seems to need, in their order."""
    kept = _items_that_keep(before).filter(source_id=OuterRef("pk"))
    # Ids begin with the time, so that the primary key leads straight to the old ones.
    rows = Event.objects.filter(pk__gt=last, pk__lt=_first_id_of(before), received_at__lt=before)
    return list(rows.exclude(Exists(kept)).order_by("pk").values_list("pk", flat=True)[:CHUNK])


def _remove(batch: list[UUID], before: datetime) -> int:
    """Remove what is still free to go, and its finished items.

    The rows are locked and looked at again: a retry or a replay of that moment either comes first and
    keeps its event, or finds nothing any more.
    """
    with transaction.atomic():
        events = set(
            Event.objects.select_for_update(skip_locked=True)
            .filter(pk__in=batch)
            .values_list("pk", flat=True)
        )
        items = QueueItem.objects.filter(source_type=SOURCE_TYPE, source_id__in=events)
        list(items.select_for_update().order_by("pk").values_list("pk", flat=True))
        events -= set(
            _items_that_keep(before).filter(source_id__in=events).values_list("source_id", flat=True)
        )
        items.filter(source_id__in=events).delete()
        Event.objects.filter(pk__in=events).delete()
    return len(events)


def _items_that_keep(before: datetime) -> QuerySet[QueueItem]:
    """Return the items that need their event: open ones, and those that finished lately."""
    done = Q(state__in=FINISHED, finished_at__lt=before)
    return QueueItem.objects.filter(~done, source_type=SOURCE_TYPE)


def _first_id_of(moment: datetime) -> UUID:
    """Return the least id that an event of the millisecond after ``moment`` can have."""
    return UUID(int=(int(moment.timestamp() * 1000) + 1) << 80)
