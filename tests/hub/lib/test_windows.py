"""Moving windows kept in memory: exact, without threads, and bounded."""

import threading

import pytest

from hub.lib import throttle, windows
from hub.lib.windows import WindowStorage


class Clock:
    """Time as the test sets it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(windows, "time", made)
    return made


def test_a_window_moves(clock: Clock) -> None:
    storage = WindowStorage()
    assert [storage.acquire_entry("a", 2, 10) for _ in range(3)] == [True, True, False]
    clock.now += 10.1
    assert storage.acquire_entry("a", 2, 10)


def test_those_whose_windows_are_over_make_room_first(clock: Clock) -> None:
    storage = WindowStorage(most=10)
    storage.acquire_entry("blocked", 1, 600)
    for number in range(9):
        storage.acquire_entry(f"gone {number}", 5, 10)
    clock.now += 11
    storage.acquire_entry("new", 5, 10)
    assert not storage.acquire_entry("blocked", 1, 600)
    assert storage.get("gone 3") == 0
    assert storage.reset() == 2


def test_it_never_holds_more_than_its_most(clock: Clock) -> None:
    storage = WindowStorage(most=100)
    for number in range(5000):
        storage.acquire_entry(f"caller {number}", 5, 60)
        assert len(storage._hits) <= 100
        assert storage._expiry.keys() == storage._hits.keys()
    assert not storage.acquire_entry("caller 4999", 1, 60)


def test_throttling_starts_no_thread() -> None:
    throttle.forget()
    before = threading.active_count()
    for number in range(200):
        throttle.take("test", 3, f"caller {number}")
    assert threading.active_count() == before
    throttle.forget()
