"""Retry, cancel, replay, and what keeps the queue whole."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from hub.delivery import housekeeping, operations, pruning
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.lib.ids import first_at
from tests.factories import IntegrationFactory, QueueItemFactory

pytestmark = pytest.mark.django_db


def item(**fields):
    return QueueItemFactory(**fields)


def test_retry_starts_afresh_at_the_first_target():
    first = IntegrationFactory()
    second = IntegrationFactory(organization=first.organization)
    targets = [
        {"integration": str(first.pk), "action": "one", "mapping": None},
        {"integration": str(second.pk), "action": "two", "mapping": None},
    ]
    row = item(
        integration=second,
        state=State.FAILED,
        attempts=9,
        tries=3,
        targets=targets,
        target_index=1,
        action="two",
    )
    assert operations.retry([row]) == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.tries, row.target_index) == (State.PENDING, 0, 0, 0)
    assert (row.integration_id, row.action) == (first.pk, "one")
    assert row.due_at <= timezone.now()


@pytest.mark.parametrize("deed", [operations.retry, operations.replay])
def test_a_target_that_somebody_deleted_is_passed_over(deed):
    """The first integration is gone with what was at it; what had gone on to the fallback is still there."""
    gone = IntegrationFactory()
    left = IntegrationFactory(organization=gone.organization)
    targets = [
        {"integration": str(gone.pk), "action": "one", "mapping": None},
        {"integration": str(left.pk), "action": "two", "mapping": 987654},
    ]
    row = item(integration=left, state=State.FAILED, targets=targets, target_index=1, action="two")
    gone.delete()

    with transaction.atomic():
        deed([row])

    newest = QueueItem.objects.order_by("-pk").first()
    assert newest.state == State.PENDING
    assert (newest.integration_id, newest.action, newest.target_index) == (left.pk, "two", 1)
    assert newest.mapping_id is None


@pytest.mark.parametrize("state", [State.COMPLETED, State.PROCESSING])
def test_retry_leaves_alone_what_is_done_or_under_way(state):
    assert operations.retry([item(state=state)]) == 0


def test_cancel_ends_only_what_waits():
    waiting, busy = item(), item(state=State.PROCESSING)
    assert operations.cancel(QueueItem.objects.all()) == 1
    waiting.refresh_from_db()
    busy.refresh_from_db()
    assert (waiting.state, busy.state) == (State.CANCELLED, State.PROCESSING)


def test_replay_makes_a_new_linked_item_with_its_own_key():
    old = item(state=State.COMPLETED)
    (new,) = operations.replay([old])
    assert (new.replay_of_id, new.state, new.source_id) == (old.pk, State.PENDING, old.source_id)
    assert new.idempotency_key != old.idempotency_key


def test_the_sweeper_returns_what_a_dead_worker_held_and_says_so():
    now = timezone.now()
    dead = item(state=State.PROCESSING, lease_owner="gone", lease_until=now - timedelta(seconds=1), fence=4)
    alive = item(state=State.PROCESSING, lease_owner="here", lease_until=now + timedelta(seconds=60))
    assert housekeeping.sweep() == 1
    dead.refresh_from_db()
    alive.refresh_from_db()
    assert (dead.state, dead.fence, alive.state) == (State.PENDING, 4, State.PROCESSING)
    entry = IntegrationLog.objects.get()
    assert (entry.outcome, entry.item_id) == ("lease_expired", dead.pk)


def test_pruning_removes_only_what_is_finished_and_old():
    old = timezone.now() - timedelta(days=400)
    item(pk=first_at(old), state=State.COMPLETED, finished_at=old)
    item(pk=first_at(old - timedelta(days=1)), state=State.COMPLETED, finished_at=timezone.now())
    item(state=State.COMPLETED, finished_at=timezone.now())
    item(state=State.PENDING)
    assert pruning.prune() == 1
    assert QueueItem.objects.count() == 3
