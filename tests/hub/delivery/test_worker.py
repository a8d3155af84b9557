"""A worker process: its loops, and what a ring costs."""

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from hub.delivery import worker as module
from hub.delivery.claims import LOOK_EVERY
from hub.delivery.jobs import Job
from hub.delivery.worker import Worker
from tests.hub.running import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class Looks:
    """A job that notes when it was asked; ``todo``: how often it has something to do."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.todo = 0

    def run(self) -> int:
        self.at.append(time.monotonic())
        self.todo -= self.todo > 0
        return self.todo


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    found = Looks()
    monkeypatch.setattr(module, "worker_jobs", lambda: [Job("looks", found.run)])
    return found


@pytest.fixture
def worker(looks: Looks) -> Iterator[Worker]:
    made = Worker()
    made.start()
    wait_until(lambda: bool(looks.at), "the first look", 20)
    yield made
    made.stop()


def test_a_job_is_looked_for_at_once_where_somebody_rings_for_it(worker: Worker, looks: Looks) -> None:
    before, rung = len(looks.at), time.monotonic()
    worker.ring_jobs()
    wait_until(lambda: len(looks.at) > before, "the job", 20)
    assert looks.at[before] - rung < 0.5


def test_rings_for_deliveries_look_for_no_jobs(worker: Worker, looks: Looks) -> None:
    before, began = len(looks.at), time.monotonic()
    for _ in range(100):
        worker.ring()
        time.sleep(0.005)
    lasted = time.monotonic() - began
    assert len(looks.at) - before <= lasted / LOOK_EVERY + 2


def test_where_there_is_much_to_do_nobody_rests(worker: Worker, looks: Looks) -> None:
    before, looks.todo = len(looks.at), 50
    worker.ring_jobs()
    wait_until(lambda: not looks.todo, "all to be done", 20)
    times = looks.at[before:]
    assert len(times) >= 49
    assert times[48] - times[0] < 48 * LOOK_EVERY / 4


def test_what_comes_one_after_another_is_done_together(worker: Worker, looks: Looks) -> None:
    before, looks.todo = len(looks.at), 4
    worker.ring_jobs()
    wait_until(lambda: not looks.todo, "all to be done", 20)
    rounds = looks.at[before : before + 4]
    gaps = [later - sooner for sooner, later in pairwise(rounds)]
    assert min(gaps) >= module.ROUND


def test_but_after_a_round_that_was_full_the_next_comes_at_once(worker: Worker, looks: Looks) -> None:
    before, looks.todo = len(looks.at), module.MANY + 20
    worker.ring_jobs()
    wait_until(lambda: looks.todo < module.MANY, "the full ones to be done", 20)
    assert looks.at[before + 18] - looks.at[before] < 18 * module.ROUND
