"""Peer: a Celery task per delivery with an ORM row per attempt, over the hub's own tables.

The message carries the item's id. The task reads item and event, posts the event, writes one row for
the attempt and saves the item: what a Django team writes when deliveries must be seen afterwards.
"""

import time
from collections.abc import Sequence

import requests
from django.utils import timezone

from bench.peers.tuned import make_app, push_all
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.events.models import Event

app = make_app("task-per-delivery")
_session = requests.Session()


@app.task(name="bench.deliver_item")
def deliver(item_id: str, url: str) -> None:
    """Deliver one item."""
    item = QueueItem.objects.get(pk=item_id)
    event = Event.objects.get(pk=item.source_id)
    started = time.perf_counter()
    body = {"type": event.type, "timestamp": event.time.isoformat(), "data": event.data}
    answer = _session.post(url, json=body, headers={"webhook-id": item.idempotency_key}, timeout=10)
    now = timezone.now()
    IntegrationLog.objects.create(
        organization_id=item.organization_id,
        integration_id=item.integration_id,
        kind=LogKind.DELIVERY,
        outcome="ok" if answer.ok else "transient",
        message=f"Answered {answer.status_code}.",
        action=item.action,
        item_id=item.pk,
        source_id=event.pk,
        attempt=item.attempts + 1,
        status_code=answer.status_code,
        duration_ms=int((time.perf_counter() - started) * 1000),
        exchanges=[{"method": "POST", "url": url, "status": answer.status_code, "body": body}],
        created_at=now,
    )
    item.attempts += 1
    item.state = State.COMPLETED if answer.ok else State.PENDING
    item.finished_at = now if answer.ok else None
    item.save(update_fields=["attempts", "state", "finished_at"])


def push(queue: str, messages: Sequence[tuple[str, str]]) -> None:
    """Put a message per (item id, address) into ``queue``."""
    push_all(deliver, queue, messages)
