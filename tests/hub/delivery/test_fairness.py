"""Nobody waits for somebody else's trouble: slow integrations, large organizations, bursts, priorities."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from hub.delivery import store
from hub.delivery.dispatch import Dispatcher
from hub.delivery.lanes import LATE, Lane, Pace, Send, Threads, in_turns
from hub.delivery.models import Priority, QueueItem, State
from tests.factories import EventFactory, IntegrationFactory, OrganizationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher
from tests.hub.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def queue(integration, count: int, **fields) -> None:
    event = EventFactory(organization=integration.organization)
    QueueItemFactory.create_batch(count, integration=integration, event=event, action="note", **fields)


def done(**conditions) -> int:
    return QueueItem.objects.filter(state=State.COMPLETED, **conditions).count()


@contextmanager
def at_work(dispatcher: Dispatcher) -> Iterator[None]:
    """Let the dispatcher run in a thread until the block ends."""
    stop = threading.Event()

    def run() -> None:
        try:
            dispatcher.run(stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        dispatcher.ring()
        thread.join(30)


def test_those_who_never_answer_hold_neither_threads_nor_room(door):
    answered = threading.Event()
    door.answer("POST", "http://alpha.test/notes", json=lambda sent: {"id": answered.wait(20) and 1})
    door.answer("POST", "http://beta.test/notes", json={"id": 2})
    for _ in range(8):
        queue(IntegrationFactory(provider_slug="alpha", max_in_flight=8), 10)
    well = IntegrationFactory(provider_slug="beta")
    dispatcher = make_dispatcher(threads=8, claim_size=10)
    with at_work(dispatcher):
        # All of the threads are taken, and the room as well, before the other one has anything.
        wait_until(lambda: dispatcher.in_flight >= 8, "the stuck to begin", 20)
        queue(well, 60)
        dispatcher.ring()
        wait_until(lambda: done(integration=well) == 60, "the others to be delivered", 20)
        assert done() == 60
        answered.set()
        wait_until(lambda: done() == 60 + 80, "the stuck to go on", 30)


def lane_of(integration, **fields) -> Lane:
    return Lane(integration, connection=None, stamp=None, **fields)  # type: ignore[arg-type]


def sending(lane: Lane, count: int, seconds: float) -> Lane:
    lane.sends = {Send(lane, time.monotonic() - seconds) for _ in range(count)}
    return lane


def test_a_lane_is_as_quick_as_its_answers_and_as_slow_as_what_is_late():
    row, now = IntegrationFactory.build(), time.monotonic()
    assert lane_of(row).pace(now) == Pace.NEW
    assert sending(lane_of(row), 4, 0.1).pace(now) == Pace.NEW
    assert sending(lane_of(row), 4, LATE + 0.1).pace(now) == Pace.SLOW
    assert lane_of(row, latency=0.02).pace(now) == Pace.QUICK
    assert lane_of(row, latency=LATE * 2).pace(now) == Pace.SLOW
    assert sending(lane_of(row, latency=0.02), 4, LATE + 0.1).pace(now) == Pace.SLOW
    mixed = sending(lane_of(row, latency=0.02), 6, 0.1)
    mixed.sends |= {Send(mixed, now - LATE - 1)}
    assert mixed.pace(now) == Pace.QUICK


def test_threads_that_wait_for_the_slow_are_not_those_of_the_others():
    slow = [sending(lane_of(IntegrationFactory.build()), 8, 3.0) for _ in range(5)]
    quick = sending(lane_of(IntegrationFactory.build(), latency=0.02), 6, 0.1)
    threads = Threads([*slow, quick], threads=16, spare=48)
    assert (threads.free, threads.spare) == (10, 8)
    # Past what is spare they do count: a worker has only so many.
    crowd = [sending(lane_of(IntegrationFactory.build()), 8, 3.0) for _ in range(7)]
    threads = Threads([*crowd, quick], threads=16, spare=48)
    assert (threads.free, threads.spare) == (16 - 6 - 8, -8)


def test_organizations_take_turns_however_many_integrations_they_have():
    large, small = OrganizationFactory.build(pk=1), OrganizationFactory.build(pk=2)
    many = [IntegrationFactory.build(organization=large) for _ in range(5)]
    few = [IntegrationFactory.build(organization=small) for _ in range(2)]
    lanes = {row.pk: lane_of(row, claimed_at=float(at)) for at, row in enumerate(many, 1)}
    lanes[few[0].pk] = lane_of(few[0], claimed_at=9.0)

    turns = in_turns([*many, *few], lanes)

    # The large one had the turn before the small one's last.
    assert turns == [many[0], few[1], many[1], few[0], *many[2:]]


def test_one_organization_does_not_starve_another(door):
    door.answer("POST", "/notes", json={"id": 1})
    large, small = OrganizationFactory(), OrganizationFactory()
    for _ in range(8):
        queue(IntegrationFactory(provider_slug="alpha", organization=large, batch_size=10), 40)
    queue(IntegrationFactory(provider_slug="beta", organization=small, batch_size=10), 40)
    dispatcher = make_dispatcher(threads=2, claim_size=10)

    dispatcher.run_until_idle()

    order = [sent.url.startswith("http://beta") for sent in door.requests]
    assert len(order) == 9 * 40
    # With half of the turns the last of 40 is about the 80th, not the 360th.
    assert max(at for at, is_small in enumerate(order) if is_small) < 160
    dispatcher.shut_down(2)


def test_what_waited_long_enough_goes_before_what_is_more_important():
    integration, now = IntegrationFactory(provider_slug="alpha"), timezone.now()
    waited = {Priority.LOW: 1300, Priority.NORMAL: 650, Priority.HIGH: 0}
    for priority, seconds in waited.items():
        due = now - timedelta(seconds=seconds)
        queue(integration, 1, priority=priority, due_at=due, claim_order=QueueItem.order(due, priority))
    claimed = [store.claim(integration.pk, 1, "w", 60, now)[0].priority for _ in range(3)]
    assert claimed == [Priority.LOW, Priority.NORMAL, Priority.HIGH]


def test_a_burst_delays_what_is_critical_by_no_more_than_a_batch(door):
    integration = IntegrationFactory(provider_slug="alpha", batch_size=10)
    critical = EventFactory(organization=integration.organization, data={"text": "critical"})

    there: list[int] = []

    def answer(sent) -> dict[str, int]:
        if len(door.requests) == 30:
            due = timezone.now()
            QueueItemFactory(
                integration=integration,
                event=critical,
                action="note",
                priority=Priority.URGENT,
                due_at=due,
                claim_order=QueueItem.order(due, Priority.URGENT),
            )
            there.append(len(door.requests))
            connections.close_all()
        return {"id": 1}

    door.answer("POST", "/notes", json=answer)
    queue(integration, 300)
    dispatcher = make_dispatcher()

    dispatcher.run_until_idle()

    at = [sent.json["text"] for sent in door.requests].index("critical")
    assert len(door.requests) == 301
    # What was claimed before, and what four threads had in hand.
    assert at <= there[0] + 10 + 4
    dispatcher.shut_down(2)
