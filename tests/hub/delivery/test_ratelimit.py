"""Permits per period: never more than the limit, whatever the storage does."""

import time
from uuid import uuid4

import pytest
from limits.errors import StorageError

from hub.delivery.ratelimit import LONGEST_SPACING, Permit, RateLimiter
from hub.lib.windows import RedisWindows
from tests.factories import IntegrationFactory


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


class TestPermit:
    """A permit for a request that leaves at once."""

    @pytest.fixture
    def slept(self, clock, monkeypatch):
        """Seconds that were slept; both clocks move only by them and by ``late``."""
        slept = []

        def sleep(seconds):
            slept.append(seconds)
            clock[0] += seconds

        monkeypatch.setattr(time, "sleep", sleep)
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])
        return slept

    def made(self, **fields):
        integration = IntegrationFactory.build(provider_slug="alpha", **fields)
        limiter = RateLimiter()
        assert limiter.take_for(integration)
        return limiter, integration, Permit(limiter, integration)

    def test_is_good_at_once_and_for_all_that_the_attempt_asks_then(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=2, rate_seconds=1)
        permit()
        clock[0] += 0.5
        permit()
        assert limiter.free(integration.pk, integration.rate)[0] == 1
        assert slept == []

    def test_one_that_is_late_needs_another(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=2, rate_seconds=1)
        clock[0] += 0.06
        permit()
        assert limiter.free(integration.pk, integration.rate)[0] == 0
        assert slept == []

    def test_and_waits_for_it(self, clock, slept):
        _, _, permit = self.made(rate_count=1, rate_seconds=1)
        clock[0] += 0.06
        permit()
        assert 0.9 < sum(slept) < 1.1

    def test_but_no_thread_is_held_for_one_that_is_far(self, clock, slept):
        _, _, permit = self.made(rate_count=1, rate_seconds=60)
        clock[0] += 0.06
        permit()
        assert slept == []
