"""Deliveries and the jobs beside them have bells of their own."""

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.delivery import jobs, wake
from hub.delivery.worker import Worker
from tests.hub.running import wait_until


@pytest.fixture
def heard(tmp_path: Path, settings: Any) -> Iterator[list[bytes]]:
    """What a worker of the embedded hub is rung for."""
    settings.HUB = dataclasses.replace(settings.HUB, broker_url="", wake_socket=tmp_path / "wake.sock")
    heard: list[bytes] = []
    stop = threading.Event()
    listener = wake.Listener(tmp_path / "wake-1.sock")
    bells = {what: lambda what=what: heard.append(what) for what in wake.TASKS}
    thread = threading.Thread(target=listener.run, args=(bells, stop))
    thread.start()
    yield heard
    stop.set()
    thread.join(5)
    listener.close()


def test_each_ring_is_heard_by_the_right_bell(heard: list[bytes]) -> None:
    wake.wake()
    wait_until(lambda: heard == [wake.DELIVERIES], "the first ring", 5)
    wake.wake_jobs()
    wait_until(lambda: heard == [wake.DELIVERIES, wake.JOBS], "the second ring", 5)


def test_a_ring_that_nobody_knows_is_let_be(heard: list[bytes], tmp_path: Path) -> None:
    wake.ring_sockets(tmp_path / "wake.sock", b"1")
    wake.wake()
    wait_until(lambda: heard == [wake.DELIVERIES], "the ring that is known", 5)


def test_with_a_broker_both_leave_as_messages_of_their_own(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, broker_url="redis://127.0.0.1:1/0")
    sent: list[str] = []
    monkeypatch.setattr(wake.app, "send_task", lambda name, **_: sent.append(name))
    wake.wake_jobs()
    wake.wake()
    wait_until(lambda: set(sent) == set(wake.TASKS.values()), "both messages", 5)


@pytest.mark.django_db(transaction=True)
def test_an_event_that_comes_in_has_no_worker_look_for_other_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Semaphore(0)

    def look() -> int:
        looked.release()
        return 0

    monkeypatch.setattr(jobs, "_worker", {"probe": jobs.Job("probe", look)})
    monkeypatch.setattr("hub.delivery.worker.LOOK_EVERY", 30.0)
    worker = Worker()
    worker.start()
    try:
        assert looked.acquire(timeout=10)  # the look at the start
        worker.ring()
        assert not looked.acquire(timeout=0.3)
        worker.ring_jobs()
        assert looked.acquire(timeout=5)
    finally:
        worker.stop()
