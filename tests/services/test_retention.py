"""Retention beside people and workers who act on the same rows at the same moment."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from hub.delivery import operations, pruning
from hub.delivery.models import QueueItem, State
from hub.events import retention
from hub.events.models import Event
from tests.factories import IntegrationFactory, QueueItemFactory

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

LONG_AGO = timedelta(days=400)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> QueueItem:
    """An item that failed long ago, of an event of that time."""
    at = timezone.now() - LONG_AGO
    with monkeypatch.context() as patch:
        patch.setattr("hub.lib.ids.time.time_ns", lambda: int(at.timestamp() * 1e9))
        item = QueueItemFactory(integration=IntegrationFactory(), state=State.FAILED, finished_at=at)
    Event.objects.update(received_at=at)
    return item


def while_retried(item: QueueItem, prune: Any) -> None:
    """Call ``prune`` in another thread while a retry of ``item`` is not committed yet."""

    def run() -> None:
        try:
            prune()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        assert operations.retry([item]) == 1
        thread.start()
        thread.join(0.5)
    thread.join(20)
    assert not thread.is_alive()


def test_a_retry_that_is_not_committed_yet_keeps_its_item(failed: QueueItem) -> None:
    while_retried(failed, pruning.prune)

    assert QueueItem.objects.get().state == State.PENDING


def test_a_retry_that_is_not_committed_yet_keeps_its_event(failed: QueueItem) -> None:
    while_retried(failed, retention.prune)

    assert QueueItem.objects.get().state == State.PENDING
    assert Event.objects.filter(pk=failed.source_id).exists()
