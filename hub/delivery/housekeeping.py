"""What keeps the queue whole: expired leases returned, lost wake-ups made good."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hub.delivery import beats, log, slots
from hub.delivery.clock import Watch
from hub.delivery.models import LogKind, QueueItem, State
from hub.delivery.wake import wake

logger = logging.getLogger(__name__)
_watch = Watch()

#: Items per statement: short enough that a claim never waits long behind one.
CHUNK = 500
#: Seconds between two sweeps.
SWEEP_EVERY = 15


def sweep() -> int:
    """Return items whose worker died to the queue, forget it, and wake a worker for whatever is due."""
    step, now, lease = _watch.step(), timezone.now(), settings.HUB.lease_seconds
    if step < 0:
        _set_back(now, step, lease)
    # Set forward, the clock ends leases whose holders live: they get the time to prolong them.
    returned = 0 if _watch.was_set_forward_within(lease) else _return_expired(now)
    beats.forget()
    slots.forget()
    if QueueItem.objects.filter(state=State.PENDING, due_at__lte=now).exists():
        wake()
    return returned


def _set_back(now: datetime, step: float, lease: float) -> None:
    """Bring what was written before the clock was set back into the new time.

    Else a dead worker would hold its items, and what came in would wait, for as long as the clock
    was set back. Doing it twice changes nothing more.
    """
    logger.warning("The clock was set back by %.0f s: leases and due times follow it", -step)
    QueueItem.objects.filter(
        state=State.PROCESSING, lease_until__gt=now + timedelta(seconds=2 * lease)
    ).update(lease_until=now + timedelta(seconds=lease))
    QueueItem.objects.filter(state=State.PENDING, created_at__gt=now).update(
        due_at=F("due_at") + timedelta(seconds=step), claim_order=F("claim_order") + step, created_at=now
    )


def _return_expired(now: datetime) -> int:
    with transaction.atomic():
        expired = list(
            QueueItem.objects.select_for_update(skip_locked=True).filter(
                state=State.PROCESSING, lease_until__lt=now
            )[:CHUNK]
        )
        entries = [_lost_lease(item, now) for item in expired]
        QueueItem.objects.filter(pk__in=[item.pk for item in expired]).update(
            state=State.PENDING, due_at=now, lease_owner="", lease_until=None
        )
        log.write(entries)
    if expired:
        logger.warning("%d deliveries were returned to the queue: their worker is gone", len(expired))
    return len(expired)


def _lost_lease(item: QueueItem, now: datetime) -> log.Entry:
    return log.Entry(
        item.organization_id,
        item.integration_id,
        LogKind.DELIVERY,
        "lease_expired",
        "The worker that held this delivery is gone; it is tried again with the same idempotency key.",
        created_at=now,
        action=item.action,
        item_id=item.pk,
        source_id=item.source_id,
        attempt=item.attempts + 1,
    )
