"""Permits per period: never more than the limit, whatever the storage does."""

import time
from uuid import uuid4

import pytest
from limits.errors import StorageError

from hub.delivery.ratelimit import LONGEST_SPACING, RateLimiter
from hub.lib.windows import RedisWindows


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def taken(limiter, key, rate, tries):
    return sum(limiter.take(key, rate) for _ in range(tries))


def test_the_window_moves_with_the_clock(clock):
    limiter, key = RateLimiter(), uuid4()
    assert taken(limiter, key, (3, 10), 5) == 3
    clock[0] += 10.05
    assert taken(limiter, key, (3, 10), 5) == 0
    clock[0] += 0.02
    assert taken(limiter, key, (3, 10), 5) == 3


def test_no_burst_at_the_seam_of_two_periods(clock):
    limiter, key = RateLimiter(), uuid4()
    clock[0] += 9
    assert taken(limiter, key, (4, 10), 2) == 2
    clock[0] += 2
    assert taken(limiter, key, (4, 10), 9) == 2


def test_says_how_many_are_free_and_when_the_next_is(clock):
    limiter, key = RateLimiter(), uuid4()
    assert limiter.free(key, (2, 10))[0] == 2
    taken(limiter, key, (2, 10), 2)
    assert limiter.free(key, (2, 10)) == (0, pytest.approx(clock[0] + 10 + LONGEST_SPACING))


def test_each_integration_has_its_own_window():
    limiter = RateLimiter()
    assert taken(limiter, uuid4(), (1, 60), 2) + taken(limiter, uuid4(), (1, 60), 2) == 2


def test_a_clock_that_is_set_back_locks_nobody_out(clock):
    limiter, key = RateLimiter(), uuid4()
    taken(limiter, key, (1, 10), 1)
    clock[0] -= 3600
    assert taken(limiter, key, (1, 10), 2) == 1


def test_while_redis_is_away_the_worker_keeps_its_own_count():
    limiter, key = RateLimiter(RedisWindows("redis://127.0.0.1:1/0", wrap_exceptions=True)), uuid4()
    assert taken(limiter, key, (2, 60), 4) == 2
    assert limiter.free(key, (2, 60))[0] == 0


def test_a_limit_of_a_second_leaves_room_for_what_arrives_late(clock):
    limiter, key = RateLimiter(), uuid4()
    assert taken(limiter, key, (1, 1), 1) == 1
    clock[0] += 1.04
    assert taken(limiter, key, (1, 1), 1) == 0
    clock[0] += 0.02
    assert taken(limiter, key, (1, 1), 1) == 1


def test_a_redis_that_takes_connections_and_says_nothing_is_not_waited_for_again_and_again():
    asked = []

    class Silent(RedisWindows):
        def acquire_entry(self, *args, **kwargs):
            asked.append(args)
            raise StorageError(TimeoutError("no answer"))

    limiter = RateLimiter(Silent("redis://127.0.0.1:1/0"))
    assert taken(limiter, uuid4(), (2, 60), 4) == 2
    assert len(asked) == 1
