"""The queue under every order of deeds: whatever workers, zombies, sweepers and people do in turn."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from hub.delivery import housekeeping, operations, store
from hub.delivery.clock import Watch
from hub.delivery.models import Priority, QueueItem, State
from tests.factories import EventFactory, IntegrationFactory, QueueItemFactory
from tests.hub.delivery.test_store import settlement

LEASE = 60.0
START = datetime(2026, 1, 1, tzinfo=UTC)
FINISHED = {State.COMPLETED, State.FAILED, State.CANCELLED, State.SKIPPED}
#: Columns of a finished item that nobody may touch any more.
KEPT = ("state", "attempts", "tries", "fence", "external_id", "result", "finished_at", "target_index")


@dataclass
class Known:
    """What the queue must say about one item."""

    state: str
    fence: int
    due_at: datetime
    lease_until: datetime | None = None
    owner: str = ""


class QueueMachine(RuleBasedStateMachine):
    """Three workers, a sweeper and people at one integration's queue, on a clock of its own."""

    items = Bundle("items")
    #: What was ever claimed: the older ones are in the hands of zombies.
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        self.now = START
        self._clock = mock.patch("django.utils.timezone.now", side_effect=lambda: self.now)
        self._clock.start()
        # Time that passes here is not a clock that was set.
        self._watch = mock.patch.object(housekeeping, "_watch", mock.Mock(spec=Watch))
        watch = self._watch.start()
        watch.step.return_value, watch.was_set_forward_within.return_value = 0.0, False
        self.integration = IntegrationFactory()
        self.event = EventFactory(organization=self.integration.organization)
        self.known: dict[UUID, Known] = {}
        self.completed: dict[UUID, tuple[Any, ...]] = {}

    def teardown(self) -> None:
        try:
            self.everything_is_reachable()
        finally:
            self._watch.stop()
            self._clock.stop()
            transaction.set_rollback(True)
            self._transaction.__exit__(None, None, None)

    def tick(self) -> datetime:
        """A moment later: no two items are due at the same time, so that a run can be repeated."""
        self.now += timedelta(milliseconds=1)
        return self.now

    # --- deeds ---------------------------------------------------------------------------

    @rule(
        target=items, priority=st.sampled_from(Priority), delay=st.integers(0, 120), count=st.integers(1, 4)
    )
    def enqueue(self, priority: int, delay: int, count: int) -> Any:
        made = []
        for _ in range(count):
            due = self.tick() + timedelta(seconds=delay)
            row = QueueItemFactory(
                integration=self.integration, event=self.event, priority=priority, due_at=due
            )
            self.known[row.pk] = Known(State.PENDING, 0, due)
            made.append(row.pk)
        return multiple(*made)

    @rule(target=claims, owner=st.sampled_from(["w1", "w2", "w3"]), limit=st.integers(1, 5))
    def claim(self, owner: str, limit: int) -> Any:
        claimed = store.claim(self.integration.pk, limit, owner, LEASE, self.now)
        due = [one for one in self.known.values() if one.state == State.PENDING and one.due_at <= self.now]
        assert len(claimed) == min(limit, len(due)), "what is due can be claimed, up to the limit"
        for item in claimed:
            one = self.known[item.id]
            assert one.state == State.PENDING, "nobody takes what somebody holds, or what has ended"
            assert one.due_at <= self.now
            assert item.fence == one.fence + 1, "each claim has a fence of its own"
            one.state, one.fence, one.owner = State.PROCESSING, item.fence, owner
            one.lease_until = self.now + timedelta(seconds=LEASE)
        return multiple(*claimed)

    @rule(
        item=claims,
        state=st.sampled_from([State.COMPLETED, State.FAILED, State.PENDING]),
        delay=st.integers(0, 300),
    )
    def settle(self, item: store.Claimed, state: State, delay: int) -> None:
        due = self.tick() + timedelta(seconds=delay)
        stale = store.settle([settlement(item, state, due_at=due)], self.now)
        one = self.known[item.id]
        counts = one.fence == item.fence and one.state in (State.PROCESSING, State.PENDING)
        if one.fence != item.fence:
            assert stale, "a worker is told that another has the item"
        if counts:
            assert not stale
            one.state, one.due_at, one.lease_until, one.owner = state, due, None, ""
            if state == State.COMPLETED:
                self.completed[item.id] = self.row(item.id)

    @rule(item=consumes(claims))
    def give_back(self, item: store.Claimed) -> None:
        store.give_back([item])
        one = self.known[item.id]
        if self.is_held_by(item):
            one.state, one.lease_until, one.owner = State.PENDING, None, ""

    @rule(item=claims)
    def extend(self, item: store.Claimed) -> None:
        store.extend([item], LEASE, self.now)
        if self.is_held_by(item):
            self.known[item.id].lease_until = self.now + timedelta(seconds=LEASE)

    @rule(seconds=st.integers(1, 200))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        expired = [
            one
            for one in self.known.values()
            if one.state == State.PROCESSING and one.lease_until is not None and one.lease_until < self.now
        ]
        assert housekeeping.sweep() == len(expired)
        for one in expired:
            one.state, one.due_at, one.lease_until, one.owner = State.PENDING, self.now, None, ""

    @rule(pk=items)
    def retry(self, pk: UUID) -> None:
        self.tick()
        one = self.known[pk]
        may = one.state in (State.PENDING, State.FAILED, State.CANCELLED)
        assert operations.retry(QueueItem.objects.filter(pk=pk)) == may
        if may:
            if one.state != State.PENDING:
                one.fence += 1
            one.state, one.due_at = State.PENDING, self.now

    @rule(pk=items)
    def cancel(self, pk: UUID) -> None:
        one = self.known[pk]
        may = one.state == State.PENDING
        assert operations.cancel(QueueItem.objects.filter(pk=pk)) == may
        if may:
            one.state = State.CANCELLED

    @rule(target=items, pk=items)
    def replay(self, pk: UUID) -> UUID:
        self.tick()
        (copy,) = operations.replay(QueueItem.objects.filter(pk=pk))
        assert copy.pk != pk, "a replay has an idempotency key of its own"
        self.known[copy.pk] = Known(State.PENDING, 0, self.now)
        return copy.pk

    # --- promises ------------------------------------------------------------------------

    @invariant()
    def the_table_says_what_happened(self) -> None:
        columns = ("pk", "state", "fence", "due_at", "lease_until", "lease_owner")
        rows = {row[0]: Known(*row[1:]) for row in QueueItem.objects.values_list(*columns)}
        assert rows == self.known, "no item is lost, none comes from nowhere, each has one holder at most"

    @invariant()
    def who_holds_an_item_has_a_lease(self) -> None:
        leased = QueueItem.objects.filter(lease_until__isnull=False).exclude(lease_owner="")
        held = QueueItem.objects.filter(state=State.PROCESSING)
        assert set(leased.values_list("pk")) == set(held.values_list("pk"))

    @invariant()
    def a_completed_item_never_changes(self) -> None:
        assert {pk: self.row(pk) for pk in self.completed} == self.completed

    def everything_is_reachable(self) -> None:
        """However it stands: once leases and waits are over, a worker gets every item that has not ended."""
        self.now += timedelta(days=1)
        housekeeping.sweep()
        waiting = {pk for pk, one in self.known.items() if one.state not in FINISHED}
        reached = set()
        while batch := store.claim(self.integration.pk, 50, "last", LEASE, self.now):
            reached |= {item.id for item in batch}
        assert reached == waiting

    def is_held_by(self, item: store.Claimed) -> bool:
        one = self.known[item.id]
        return one.state == State.PROCESSING and one.fence == item.fence

    def row(self, pk: UUID) -> tuple[Any, ...]:
        return QueueItem.objects.values_list(*KEPT).get(pk=pk)


def run_machine(examples: int) -> None:
    """Run the machine so often, each time with 30 deeds."""
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_the_queue_keeps_its_promises_in_every_order_of_deeds() -> None:
    run_machine(25)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_same_time_never_hold_the_same_item() -> None:
    """On separate connections, in threads; the machine above goes one deed after the other."""
    from concurrent.futures import ThreadPoolExecutor

    integration = IntegrationFactory()
    event = EventFactory(organization=integration.organization)
    QueueItemFactory.create_batch(120, integration=integration, event=event)
    now = QueueItem.objects.latest("due_at").due_at + timedelta(seconds=1)

    def work(owner: str) -> list[UUID]:
        mine: list[UUID] = []
        chance = random.Random(owner)
        try:
            while batch := store.claim(integration.pk, chance.randint(1, 9), owner, LEASE, now):
                mine += [item.id for item in batch]
                store.settle([settlement(item) for item in batch], now)
        finally:
            connection.close()
        return mine

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(work, ["w1", "w2", "w3", "w4"]))
    got = [pk for share in shares for pk in share]
    assert len(got) == len(set(got)) == 120
    assert QueueItem.objects.filter(state=State.COMPLETED).count() == 120
