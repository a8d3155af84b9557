"""What people do to queue items: retry, cancel, replay."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Model, QuerySet, When
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import QueueItem, State
from hub.delivery.wake import wake
from hub.mapping.models import FieldMapping

#: States from which an item may be sent again as it is.
RETRYABLE = (State.PENDING, State.FAILED, State.CANCELLED, State.SKIPPED)
AT_ONCE = 500


def retry(items: QuerySet[QueueItem] | Iterable[QueueItem]) -> int:
    """Make items due now, with fresh tries, at their first target; return how many.

    Completed items and those under way are left alone: a completed one is replayed instead. One
    that had ended gets a new fence: an outcome that a worker writes twice, because it did not hear of
    the first commit, must not end it again. One that waits keeps its fence: a late success counts.
    """
    now = timezone.now()
    fresh: dict[str, Any] = {
        "state": State.PENDING,
        "due_at": now,
        "claim_order": QueueItem.order(now, 0) - F("priority"),
        "attempts": 0,
        "tries": 0,
        "finished_at": None,
        "fence": Case(When(state=State.PENDING, then=F("fence")), default=F("fence") + 1),
    }
    rows = _rows(items).filter(state__in=RETRYABLE).order_by()
    moved = list(rows.filter(target_index__gt=0).defer("result"))
    # All that stand at their first target in one statement: after an outage that is nearly everything.
    changed = rows.filter(target_index=0).update(**fresh)
    for item in moved:
        index, integration_id, action, mapping_id = _first_target(item)
        changed += QueueItem.objects.filter(pk=item.pk, state__in=RETRYABLE).update(
            **fresh, target_index=index, integration_id=integration_id, action=action, mapping_id=mapping_id
        )
    transaction.on_commit(wake)
    return changed


def cancel(items: QuerySet[QueueItem] | Iterable[QueueItem]) -> int:
    """End items that wait; return how many. One that is under way settles by itself."""
    return _rows(items).filter(state=State.PENDING).update(state=State.CANCELLED, finished_at=timezone.now())


def replay(items: QuerySet[QueueItem] | Iterable[QueueItem]) -> list[QueueItem]:
    """Make a new item, linked to the old one, for each; return the new ones.

    The new item has an idempotency key of its own: the provider is meant to act again.
    """
    now = timezone.now()
    copies = [_copy(item, now) for item in _rows(items)]
    QueueItem.objects.bulk_create(copies, batch_size=AT_ONCE)
    transaction.on_commit(wake)
    return copies


def _copy(item: QueueItem, now: Any) -> QueueItem:
    index, integration_id, action, mapping_id = _first_target(item)
    return QueueItem(
        organization_id=item.organization_id,
        integration_id=integration_id,
        action=action,
        mapping_id=mapping_id,
        targets=item.targets,
        target_index=index,
        source_type=item.source_type,
        source_id=item.source_id,
        route_id=item.route_id,
        label=item.label,
        subject=item.subject,
        priority=item.priority,
        due_at=now,
        claim_order=QueueItem.order(now, item.priority),
        replay_of_id=item.pk,
        sequence=item.sequence,
    )


def _first_target(item: QueueItem) -> tuple[int, UUID, str, int | None]:
    """Return the item's first target that still exists, and which it is; where it is, if none does.

    An integration that somebody deleted took the items that were at it along, but not those that
    had gone on to a fallback.
    """
    there = _existing(Integration, {UUID(stop["integration"]) for stop in item.targets})
    for index, stop in enumerate(item.targets):
        if UUID(stop["integration"]) in there:
            mapping = stop["mapping"] if _existing(FieldMapping, {stop["mapping"]}) else None
            return index, UUID(stop["integration"]), stop["action"], mapping
    return item.target_index, item.integration_id, item.action, item.mapping_id


def _existing(model: type[Model], keys: set[Any]) -> set[Any]:
    wanted = {key for key in keys if key is not None}
    return set(model._default_manager.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()


def _rows(items: QuerySet[QueueItem] | Iterable[QueueItem]) -> QuerySet[QueueItem]:
    if isinstance(items, QuerySet):
        return items
    return QueueItem.objects.filter(pk__in=[item.pk for item in items])
