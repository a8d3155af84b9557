"""What a delivery's page shows beyond the row, and how soon a page with deliveries looks again."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from hub.connections.models import Integration, Status
from hub.delivery.models import FINISHED, IntegrationLog, QueueItem, State
from hub.mapping.versions import version_at

#: What is due within this time is looked at every ``QUICK`` seconds, else every ``SLOW``.
SOON = timedelta(seconds=30)
QUICK, SLOW = 2, 15
#: Replays that are listed.
REPLAYS = 20


def page_context(item: QueueItem) -> dict[str, Any]:
    """Return what ``delivery/item.html`` needs of the item's way, attempts and replays."""
    replays = list(item.replays.select_related("integration").order_by("id")[:REPLAYS])
    return {
        "attempts": IntegrationLog.objects.filter(item_id=item.pk).order_by("id"),
        "targets": _targets(item),
        "replays": replays,
        "version": version_at(item.mapping_id, item.finished_at or timezone.now()),
        "look_again": look_again([item, *replays]),
    }


def look_again(items: Iterable[QueueItem]) -> int:
    """Return after how many seconds a page that shows ``items`` looks for news; 0: all are finished."""
    still_open = [item for item in items if item.state not in FINISHED]
    if not still_open:
        return 0
    return QUICK if any(_moves_soon(item) for item in still_open) else SLOW


def _moves_soon(item: QueueItem) -> bool:
    if item.state == State.PROCESSING:
        return True
    return item.due_at <= timezone.now() + SOON and item.integration.status == Status.ACTIVE


def _targets(item: QueueItem) -> list[dict[str, Any]]:
    known = Integration.objects.in_bulk([UUID(target["integration"]) for target in item.targets])
    return [
        {**target, "integration": known.get(UUID(target["integration"])), "now": number == item.target_index}
        for number, target in enumerate(item.targets)
    ]
