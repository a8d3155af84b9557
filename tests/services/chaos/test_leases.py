"""Workers that believe they hold the same item, and clocks that are set an hour forward or back."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from hub.delivery import clock, housekeeping
from hub.delivery.dispatch import Dispatcher
from hub.delivery.models import IntegrationLog, QueueItem, State, WorkerSlots
from hub.delivery.ratelimit import RateLimiter
from hub.events.intake import Draft, accept_events
from tests.factories import IntegrationFactory, RouteFactory
from tests.hub.running import wait_until
from tests.services.chaos.report import report
from tests.services.sink import Sink, listening

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

LEASE = 2
COUNT = 20


class Clock:
    """The hub's time of day, which may be set; time since start goes on as it does."""

    def __init__(self) -> None:
        self.set = timedelta(0)
        self._real = timezone.now

    def now(self) -> datetime:
        return self._real() + self.set


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    """A clock, a hub with short leases, and a sweeper that has seen nothing yet."""
    made = Clock()
    monkeypatch.setattr(timezone, "now", made.now)
    monkeypatch.setattr(housekeeping, "_watch", clock.Watch())
    settings.HUB = dataclasses.replace(settings.HUB, lease_seconds=LEASE)
    return made


@pytest.fixture
def sink() -> Iterator[Sink]:
    with listening() as found:
        yield found


def accept(sink: Sink, count: int = COUNT) -> None:
    # Of one that answers late a worker holds no more than twice what may be under way.
    integration = IntegrationFactory(
        settings={"url": sink.url}, allowed_hosts=[sink.host], rate_count=1000, max_in_flight=count
    )
    RouteFactory(organization=integration.organization, integration=integration, type_pattern="*")
    accept_events(integration.organization, [Draft(type="order.paid", data={"n": n}) for n in range(count)])


@contextmanager
def working(owner: str, lease: float = LEASE) -> Iterator[Dispatcher]:
    """A worker in a thread."""
    worker = Dispatcher(owner, threads=8, claim_size=50, lease=lease, limiter=RateLimiter())
    stop = threading.Event()

    def run() -> None:
        try:
            worker.run(stop)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        worker.ring()
        thread.join(30)


def in_state(state: State) -> int:
    return QueueItem.objects.filter(state=state).count()


def all_delivered(seconds: float = 30) -> None:
    def swept() -> bool:
        housekeeping.sweep()
        return in_state(State.COMPLETED) == COUNT

    wait_until(swept, "all deliveries", seconds)


def held_back(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let every sending wait at the door until the event is set."""
    from hub.lib import outbound

    door, real = threading.Event(), outbound.send

    def send(*request: Any) -> Any:
        door.wait(20)
        return real(*request)

    monkeypatch.setattr(outbound, "send", send)
    return door


def test_two_workers_that_believe_they_hold_the_same_items(
    wall: Clock, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one hangs (a stopped machine, say) until its leases are long over and another has them."""
    accept(sink)
    door = held_back(sink, monkeypatch)
    with working("frozen") as frozen:
        wait_until(lambda: in_state(State.PROCESSING) == COUNT, "the claim")
        monkeypatch.setattr(frozen.claims, "extend_leases", lambda: None)
        monkeypatch.setattr(frozen.claims, "renew_slots", lambda: None)
        monkeypatch.setattr(frozen.claims, "wanted", lambda: False)
        WorkerSlots.objects.update(until=wall.now() - timedelta(seconds=1))
        QueueItem.objects.update(lease_until=wall.now() - timedelta(seconds=1))
        assert housekeeping.sweep() == COUNT
        with working("heir"):
            wait_until(lambda: QueueItem.objects.filter(lease_owner="heir").exists(), "the second claim")
            wait_until(lambda: in_state(State.PROCESSING) == COUNT, "the second claim of all")
            door.set()
            all_delivered()
    keys = {f"hub_{pk.hex}" for pk in QueueItem.objects.values_list("pk", flat=True)}
    assert set(sink.keys) == keys, "both tell it under the same keys"
    assert all(len(bodies) == 1 for bodies in sink.bodies.values())
    assert set(QueueItem.objects.values_list("fence", flat=True)) == {2}
    late = IntegrationLog.objects.filter(message__startswith="Came too late").count()
    counted = IntegrationLog.objects.filter(outcome="ok").count() - late
    assert counted == COUNT, "each item is settled once"
    report(
        "two workers hold the same items",
        f"{COUNT} items, {sum(sink.keys.values())} deliveries, {late} outcomes too late",
    )


def set_clock(wall: Clock, by: timedelta) -> float:
    wall.set += by
    return time.monotonic()


def test_the_clock_is_set_an_hour_forward_while_workers_send(
    wall: Clock, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(sink)
    door = held_back(sink, monkeypatch)
    housekeeping.sweep()
    with working("one"), working("two"):
        wait_until(lambda: in_state(State.PROCESSING) == COUNT, "the claim")
        began = set_clock(wall, timedelta(hours=1))
        housekeeping.sweep()
        assert in_state(State.PROCESSING) == COUNT, "whoever lives keeps what it holds"
        wait_until(lambda: time.monotonic() - began > LEASE, "a lease")
        housekeeping.sweep()
        assert in_state(State.PROCESSING) == COUNT, "and has prolonged it in the new time"
        door.set()
        all_delivered()
    assert set(sink.keys.values()) == {1}, "nobody was killed, nothing is told twice"
    report("clock set 1 h forward", f"{COUNT} items, 0 repeated")


@pytest.mark.parametrize("what", ["waiting", "held by a dead worker"])
def test_the_clock_is_set_an_hour_back(wall: Clock, sink: Sink, what: str) -> None:
    accept(sink)
    housekeeping.sweep()
    if what != "waiting":
        until = wall.now() + timedelta(seconds=LEASE)
        QueueItem.objects.update(state=State.PROCESSING, lease_owner="dead", lease_until=until, fence=1)
    began = set_clock(wall, timedelta(hours=-1))
    with working("one"):
        all_delivered(LEASE * 2 + 10)
        took = time.monotonic() - began
    assert set(sink.keys.values()) == {1}
    report(f"clock set 1 h back, items {what}", f"{COUNT} items, all through after {took:.1f} s, 0 repeated")


def test_a_planned_delay_is_kept_when_the_clock_is_set_back(wall: Clock, sink: Sink) -> None:
    integration = IntegrationFactory(settings={"url": sink.url}, allowed_hosts=[sink.host])
    RouteFactory(organization=integration.organization, integration=integration, type_pattern="*", delay=600)
    accept_events(integration.organization, [Draft(type="order.paid", data={})])
    housekeeping.sweep()
    set_clock(wall, timedelta(hours=-1))
    for _ in range(2):
        housekeeping.sweep()
        item = QueueItem.objects.get()
        assert abs((item.due_at - wall.now()).total_seconds() - 600) < 30
