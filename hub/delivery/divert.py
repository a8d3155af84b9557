"""Sends items on to their next target while an integration can take nothing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Model

from hub.connections.models import Integration
from hub.delivery import log
from hub.delivery.models import LogKind, QueueItem, State
from hub.mapping.models import FieldMapping

AT_ONCE = 200


def to_next_target(integration: Integration, reason: str, now: datetime) -> int:
    """Move due items that have a fallback left; return how many moved. Others wait."""
    with transaction.atomic():
        due = (
            QueueItem.objects.select_for_update(skip_locked=True)
            .filter(integration=integration, state=State.PENDING, due_at__lte=now)
            .exclude(targets=[])
            .order_by("claim_order")[:AT_ONCE]
        )
        moved = _with_a_next_target([item for item in due if item.target_index + 1 < len(item.targets)])
        entries = [_move(item, integration, reason, now) for item in moved]
        fields = ["target_index", "integration", "action", "mapping", "tries"]
        QueueItem.objects.bulk_update(moved, fields)
        log.write(entries)
    return len(moved)


def _with_a_next_target(items: list[QueueItem]) -> list[QueueItem]:
    """Return those whose next target still exists; the others wait where they are."""
    stops = [item.targets[item.target_index + 1] for item in items]
    there = _existing(Integration, {stop["integration"] for stop in stops})
    mappings = _existing(FieldMapping, {stop["mapping"] for stop in stops})
    for stop in stops:
        stop["mapping"] = stop["mapping"] if stop["mapping"] in mappings else None
    return [item for item, stop in zip(items, stops, strict=True) if UUID(stop["integration"]) in there]


def _existing(model: type[Model], keys: set[Any]) -> set[Any]:
    return set(model._default_manager.filter(pk__in=keys).values_list("pk", flat=True))


def _move(item: QueueItem, integration: Integration, reason: str, now: datetime) -> log.Entry:
    item.target_index += 1
    stop = item.targets[item.target_index]
    entry = log.Entry(
        item.organization_id,
        integration.pk,
        LogKind.DELIVERY,
        "diverted",
        f"{integration.name}: {reason}. The delivery goes to the next fallback.",
        created_at=now,
        action=item.action,
        item_id=item.pk,
        source_id=item.source_id,
        attempt=item.attempts,
    )
    item.integration_id, item.action = UUID(stop["integration"]), stop["action"]
    item.mapping_id, item.tries = stop["mapping"], 0
    return entry
