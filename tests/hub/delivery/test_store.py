"""Claiming and settling, batch by batch."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.connections.models import Status
from hub.delivery import log, store
from hub.delivery.models import IntegrationLog, LogKind, Priority, QueueItem, State
from tests.factories import IntegrationFactory, QueueItemFactory

pytestmark = pytest.mark.django_db


def claim(integration, limit=10, owner="w1", lease=60.0, now=None):
    return store.claim(integration.pk, limit, owner, lease, now or timezone.now())


def settlement(item: store.Claimed, state=State.COMPLETED, **changes):
    now = timezone.now()
    entry = log.Entry(
        item.organization_id,
        item.integration_id,
        LogKind.DELIVERY,
        "ok",
        "Delivered.",
        item_id=item.id,
        created_at=now,
    )
    values = {
        "due_at": now,
        "attempts": 1,
        "tries": 1,
        "target_index": 0,
        "error_kind": "",
        "error": "",
        "external_id": "ext-1",
        "result": {"ok": True},
        "log": entry,
    }
    return store.Settlement(item=item, state=state, **{**values, **changes})


def make(integration, priority=Priority.NORMAL, due_in=0.0, **more):
    due = timezone.now() + timedelta(seconds=due_in)
    order = QueueItem.order(due, priority)
    return QueueItemFactory(
        integration=integration,
        organization=integration.organization,
        priority=priority,
        due_at=due,
        claim_order=order,
        **more,
    )


def test_claims_only_what_is_due_and_only_once():
    integration = IntegrationFactory()
    due, _later = make(integration), make(integration, due_in=60)
    assert [item.id for item in claim(integration)] == [due.pk]
    assert claim(integration, owner="w2") == []
    assert store.due_lanes(timezone.now()) == []


def test_important_first_but_whoever_waited_long_enough_overtakes():
    integration = IntegrationFactory()
    low_old = make(integration, Priority.LOW, due_in=-1300)
    normal = make(integration, due_in=-1)
    high = make(integration, Priority.HIGH)
    low = make(integration, Priority.LOW)
    assert [item.id for item in claim(integration)] == [low_old.pk, high.pk, normal.pk, low.pk]


def test_the_limit_is_kept():
    integration = IntegrationFactory()
    for _ in range(5):
        make(integration)
    assert len(claim(integration, limit=3)) == 3
    assert len(claim(integration, limit=3)) == 2


def test_settling_completes_and_logs():
    integration = IntegrationFactory()
    row = make(integration)
    assert store.settle([settlement(claim(integration)[0])], timezone.now()) == []
    row.refresh_from_db()
    assert (row.state, row.external_id, row.result) == (State.COMPLETED, "ext-1", {"ok": True})
    assert row.finished_at is not None
    assert row.lease_until is None
    assert IntegrationLog.objects.get().item_id == row.pk


def test_a_zombie_cannot_settle_what_another_worker_holds():
    integration = IntegrationFactory()
    row = make(integration)
    zombie = claim(integration)[0]
    QueueItem.objects.filter(pk=row.pk).update(state=State.PENDING)
    heir = claim(integration, owner="w2")[0]

    stale = store.settle([settlement(zombie, State.FAILED)], timezone.now())

    assert [s.item.id for s in stale] == [row.pk]
    row.refresh_from_db()
    assert (row.state, row.lease_owner) == (State.PROCESSING, "w2")
    assert "too late" in IntegrationLog.objects.get().message
    assert store.settle([settlement(heir)], timezone.now()) == []


def test_falling_back_moves_the_item_to_its_next_target():
    first = IntegrationFactory()
    second = IntegrationFactory(organization=first.organization)
    targets = [
        {"integration": str(first.pk), "action": "one", "mapping": None},
        {"integration": str(second.pk), "action": "two", "mapping": None},
    ]
    row = make(first, targets=targets, action="one")
    store.settle([settlement(claim(first)[0], State.PENDING, target_index=1)], timezone.now())
    row.refresh_from_db()
    assert (row.integration_id, row.action, row.target_index) == (second.pk, "two", 1)
    assert [item.id for item in claim(second)] == [row.pk]


def test_a_delivery_that_outlived_its_lease_still_counts_if_nobody_took_the_item():
    integration = IntegrationFactory()
    row = make(integration)
    slow = claim(integration)[0]
    QueueItem.objects.filter(pk=row.pk).update(state=State.PENDING, lease_until=None)
    assert store.settle([settlement(slow)], timezone.now()) == []
    row.refresh_from_db()
    assert row.state == State.COMPLETED


def test_given_back_items_are_due_at_once():
    integration = IntegrationFactory()
    make(integration)
    store.give_back(claim(integration))
    assert len(claim(integration)) == 1


def test_a_lease_is_extended_only_by_its_holder():
    integration = IntegrationFactory()
    row = make(integration)
    held = claim(integration)
    QueueItem.objects.filter(pk=row.pk).update(fence=99)
    before = QueueItem.objects.get(pk=row.pk).lease_until
    store.extend(held, 600, timezone.now())
    assert QueueItem.objects.get(pk=row.pk).lease_until == before


def test_busy_while_something_is_due_or_under_way():
    integration = IntegrationFactory()
    make(integration, due_in=60)
    assert not store.busy(timezone.now())

    make(integration, Priority.LOW)
    assert store.busy(timezone.now())

    taken = claim(integration)
    assert store.busy(timezone.now())

    store.settle([settlement(item) for item in taken], timezone.now())
    assert not store.busy(timezone.now())


def test_what_somebody_holds_back_keeps_nobody_busy():
    make(IntegrationFactory(status=Status.PAUSED))
    assert not store.busy(timezone.now())
