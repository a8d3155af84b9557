"""Slots: a limit of deliveries under way at once holds over all workers together."""

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import beats, housekeeping
from hub.delivery import slots as slots_of_workers
from hub.delivery.models import QueueItem, State, WorkerSlots
from hub.delivery.slots import IDLE, Ask, Reserve
from tests.factories import EventFactory, IntegrationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher
from tests.hub.delivery.test_fairness import at_work, queue
from tests.hub.receiving import AtOnce
from tests.hub.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Work:
    """A lane's, as a renewal sees it."""

    running: int = 0
    backlog: int = 0


class Worker:
    """One worker's slots of one integration."""

    def __init__(self, integration: Integration, name: str = "worker", most: int = 100):
        self.integration = integration
        self.reserve = Reserve(name, most)
        self.slots = self.reserve.of(integration.pk)

    def ask(self, running: int = 0) -> int:
        limit = self.integration.in_flight_limit
        self.reserve.ask({self.integration.pk: Ask(limit, running, more=True)})
        return self.slots.now

    def renew(self, running: int = 0, backlog: int = 0) -> int:
        self.reserve.renew({self.integration.pk: Work(running, backlog)})
        return self.slots.now


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory(provider_slug="alpha", max_in_flight=8)


@pytest.fixture
def two(integration: Integration) -> tuple[Worker, Worker]:
    # Of one name: machines' names are long, and cut.
    return Worker(integration), Worker(integration)


def rows() -> list[int]:
    return sorted(WorkerSlots.objects.values_list("count", flat=True))


def let_expire(worker: Worker) -> None:
    past = timezone.now() - timedelta(seconds=1)
    WorkerSlots.objects.filter(holder=worker.reserve.holder).update(until=past)


def test_one_worker_has_all_there_is_and_no_more_than_its_threads_can_use(integration):
    assert Worker(integration).ask() == 8
    WorkerSlots.objects.all().delete()
    assert Worker(integration, most=6).ask() == 6


def test_whoever_comes_later_gets_its_part_at_the_next_renewal(two):
    first, second = two
    assert (first.ask(), second.ask()) == (8, 0)
    assert first.renew(running=3, backlog=9) == 4
    assert second.ask() == 4
    assert (first.renew(4, 9), second.renew(4, 9)) == (4, 4)
    assert rows() == [4, 4]


def test_who_begins_leaves_their_parts_to_the_workers_there_are_and_takes_more_if_they_want_none(two):
    for name in ("one", "two", "three"):
        beats.Pulse(name, lambda: 0).turn()
    first, second = two
    assert first.ask() == 3
    assert first.renew(running=2, backlog=0) == 3, "it has no use for more"
    assert first.renew(running=3, backlog=5) == 6, "one is left to each, to begin with"
    assert second.ask() == 2
    assert (first.renew(running=3, backlog=5), second.renew(running=2, backlog=5)) == (3, 3)


def test_more_workers_than_slots(integration):
    integration.max_in_flight = 2
    integration.save()
    workers = [Worker(integration) for _ in range(4)]
    assert [worker.ask() for worker in workers] == [2, 0, 0, 0]
    assert workers[0].renew(1, 5) == 1
    assert [worker.ask() for worker in workers[1:]] == [1, 0, 0]
    assert [worker.renew(1, 5) for worker in workers[:2]] == [1, 1]


def test_what_is_under_way_keeps_its_slot_until_it_is_over(two):
    first, second = two
    first.ask()
    second.ask()
    assert first.renew(running=7, backlog=9) == 4, "no more are started"
    assert rows() == [0, 7]
    assert second.ask() == 1
    assert not first.reserve.due(), "but soon"
    time.sleep(slots_of_workers.AGAIN)
    assert first.reserve.due()
    assert first.renew(running=4, backlog=9) == 4
    assert second.renew(1, 9) == 4


def test_slots_of_a_worker_that_died_come_free(two):
    killed, other = two
    assert (killed.ask(), other.ask()) == (8, 0)
    let_expire(killed)
    assert other.ask() == 8


def test_on_one_machine_the_slots_of_a_killed_worker_are_free_for_the_one_that_follows(integration):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    gone, other, living = f"here:{killed.pid}", f"elsewhere:{killed.pid}", f"here:{os.getpid()}"
    for name in (gone, other, living):
        Worker(integration, name).ask()
    slots_of_workers.forget_dead("here:1")
    holders = WorkerSlots.objects.values_list("holder", flat=True)
    assert {holder.partition("/")[0] for holder in holders} == {other, living}


def test_who_could_not_renew_in_time_starts_nothing_and_gets_only_what_is_left(two):
    late, other = two
    late.ask()
    late.slots.until = time.monotonic()
    assert late.slots.now == 0
    assert late.reserve.lacks(late.integration.pk) is False, "it asked just now"
    late.slots.ask_at = 0.0
    assert late.reserve.lacks(late.integration.pk)
    let_expire(late)
    assert other.ask() == 8
    assert late.renew(running=2, backlog=3) == 0
    assert rows() == [2, 8]
    assert other.renew(running=3, backlog=9) == 4
    assert late.renew(running=1, backlog=3) == 4


def test_without_work_for_some_renewals_they_are_given_up(two, django_assert_num_queries):
    first, second = two
    first.ask()
    for _ in range(1 + IDLE):
        assert first.renew() == 8
    assert first.renew() == 0
    assert rows() == []
    with django_assert_num_queries(0):
        first.renew()
    assert second.ask() == 8
    for _ in range(3 * IDLE):
        assert second.renew(running=1) == 8


def test_who_asks_in_vain_and_no_more_holds_up_nobody(two):
    first, second = two
    first.ask()
    assert second.ask() == 0
    assert second.renew() == 0
    assert second.renew() == 0
    assert rows() == [8]
    assert first.renew(8, 5) == 8


def test_a_changed_limit_holds_from_the_next_renewal(two):
    first, second = two
    first.ask()
    second.ask()
    assert (first.renew(4, 5), second.ask()) == (4, 4)
    Integration.objects.update(max_in_flight=3)
    assert (first.renew(3, 5), second.renew(1, 5)) == (0, 0), "3 are under way, and it may be 3"
    assert (first.renew(0, 5), second.renew(0, 5)) == (2, 1)
    Integration.objects.update(max_in_flight=20)
    assert (first.renew(2, 5), second.renew(1, 5)) == (10, 10)


def test_an_integration_that_is_deleted_leaves_nothing(two):
    first, second = two
    first.ask()
    Integration.objects.all().delete()
    assert first.renew(running=2, backlog=1) == 0
    assert rows() == [2]
    first.renew()
    assert rows() == []
    assert second.renew() == 0


def test_a_provider_whose_code_is_gone_gets_none(integration):
    Integration.objects.update(max_in_flight=None, provider_slug="gone")
    worker = Worker(integration)
    worker.ask()
    assert worker.renew(running=1, backlog=1) == 0
    assert slots_of_workers.limit_of(Integration.objects.get()) == 0


def test_all_integrations_of_a_look_cost_one_transaction(django_assert_max_num_queries):
    asks = {row.pk: Ask(8, 0, more=True) for row in IntegrationFactory.create_batch(20, max_in_flight=8)}
    reserve = Reserve("worker", 5)
    with django_assert_max_num_queries(6):
        reserve.ask(asks)
    assert rows() == [5] * 20
    assert not any(reserve.lacks(key) for key in asks)


def test_who_asks_in_vain_each_second_does_not_write_each_time(two, django_assert_num_queries):
    first, second = two
    first.ask()
    second.ask()
    before = WorkerSlots.objects.get(count=0).until
    second.ask()
    assert WorkerSlots.objects.get(count=0).until == before


def test_a_stop_in_good_order_leaves_no_rows(two):
    first, second = two
    first.ask()
    second.ask()
    first.reserve.end()
    assert second.ask() == 8


def test_the_sweep_removes_rows_that_are_over_or_endless(integration):
    now = timezone.now()
    for seconds in (-300, 10, 3600):
        WorkerSlots.objects.create(
            holder=f"w{seconds}",
            integration_id=integration.pk,
            count=1,
            until=now + timedelta(seconds=seconds),
        )
    housekeeping.sweep()
    assert [row.holder for row in WorkerSlots.objects.all()] == ["w10"]


def test_many_at_the_same_time_never_have_more_than_the_limit(integration):
    workers = [Worker(integration, f"worker-{number}") for number in range(4)]
    most, failed, stop = [0], [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            most[0] = max(most[0], sum(worker.slots.now for worker in workers))
            time.sleep(0)

    def work(worker: Worker) -> None:
        chance = random.Random(worker.reserve.holder)
        try:
            for _ in range(40):
                held = worker.slots.now
                if not held:
                    worker.ask()
                elif chance.random() < 0.3:
                    worker.reserve.end()
                else:
                    worker.renew(running=chance.randint(0, held), backlog=1)
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    watcher = threading.Thread(target=watch)
    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in [watcher, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    stop.set()
    watcher.join(10)
    assert not failed
    assert 0 < most[0] <= 8


# --- in dispatchers -------------------------------------------------------------------------------


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals come sooner."""
    monkeypatch.setattr(slots_of_workers, "RENEW_EVERY", 0.3)
    monkeypatch.setattr(slots_of_workers, "AGAIN", 0.1)


def done() -> int:
    return QueueItem.objects.filter(state=State.COMPLETED).count()


def all_done(count: int, seconds: float = 40) -> None:
    wait_until(lambda: done() == count, "all to be delivered", seconds)


@pytest.mark.usefixtures("hurry")
def test_dispatchers_keep_the_limit_together_and_share_it(door):
    receiver = AtOnce(0.05, {"id": 1})
    door.answer("POST", "/notes", json=receiver)
    queue(IntegrationFactory(provider_slug="alpha", max_in_flight=4, batch_size=10), 120)
    first, second = make_dispatcher("one", threads=8), make_dispatcher("two", threads=8)
    shared = []
    with at_work(first):
        wait_until(lambda: first.in_flight == 4, "the first to have all")
        with at_work(second):
            wait_until(
                lambda: shared.append((first.in_flight, second.in_flight)) or shared[-1] == (2, 2), "both"
            )
            all_done(120)
    assert receiver.most == 4
    assert not WorkerSlots.objects.exists()


@pytest.mark.usefixtures("hurry")
def test_a_lane_whose_limit_falls_goes_on_with_fewer(door):
    receiver = AtOnce(0.05, {"id": 1})
    door.answer("POST", "/notes", json=receiver)
    integration = IntegrationFactory(provider_slug="alpha", max_in_flight=6)
    queue(integration, 100)
    dispatcher = make_dispatcher(threads=16)
    with at_work(dispatcher):
        wait_until(lambda: dispatcher.in_flight == 6, "all to be under way")
        integration.max_in_flight = 1
        integration.save()
        wait_until(lambda: dispatcher.in_flight <= 1, "the surplus to end")
        receiver.most = 0
        before = done()
        wait_until(lambda: done() > before + 5, "it to go on")
        assert receiver.most == 1
        integration.max_in_flight = 6
        integration.save()
        all_done(100)


@pytest.mark.usefixtures("hurry")
def test_what_waits_is_given_back_when_all_slots_are_lost(door):
    door.answer("POST", "/notes", json=AtOnce(1.5, {"id": 1}))
    integration = IntegrationFactory(provider_slug="alpha", max_in_flight=2)
    queue(integration, 10)
    other, dispatcher = Worker(integration, "other"), make_dispatcher()
    with at_work(dispatcher):
        wait_until(lambda: dispatcher.in_flight == 2, "it to begin")
        # As if the database had not heard of it for too long.
        WorkerSlots.objects.all().delete()
        assert other.ask() > 0
        WorkerSlots.objects.update(count=2)
        processing = QueueItem.objects.filter(state=State.PROCESSING)
        wait_until(lambda: not processing.exists(), "the rest to be given back", 10)
        assert done() == 2
        other.reserve.end()
        all_done(10)


def test_a_single_delivery_costs_no_statement_for_its_slots(door, monkeypatch):
    door.answer("POST", "/notes", json={"id": 1})
    integration = IntegrationFactory(provider_slug="alpha")
    dispatcher, asked = make_dispatcher(), []
    ask = dispatcher.claims.slots.ask
    monkeypatch.setattr(dispatcher.claims.slots, "ask", lambda asks: asked.append(asks) or ask(asks))
    for _ in range(5):
        event = EventFactory(organization=integration.organization)
        QueueItemFactory(integration=integration, event=event, action="note")
        dispatcher.run_until_idle()
    assert done() == 5
    assert len(asked) == 1
    dispatcher.shut_down(2)


def test_what_may_not_be_sent_anyway_asks_for_no_slots(door):
    integration = IntegrationFactory(provider_slug="alpha", blocked_until=timezone.now() + timedelta(hours=1))
    queue(integration, 1)
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    assert not WorkerSlots.objects.exists()
    dispatcher.shut_down(2)
