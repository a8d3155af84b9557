"""Permits per period: never more than the limit, whatever the storage does."""

import time
from uuid import uuid4

import pytest
from limits.errors import StorageError

from hub.delivery import beats
from hub.delivery.ratelimit import RateLimiter
from hub.lib.windows import RedisWindows, WindowStorage
from integrations.base.errors import RateLimited
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
    clock[0] += 10.22
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
    assert limiter.free(key, (2, 10)) == (0, pytest.approx(clock[0] + 10.23))


def test_without_redis_each_worker_uses_its_part(clock):
    beats.place.size = 4
    total = 0
    for rank in range(4):
        beats.place.rank = rank
        limiter, key = RateLimiter(), uuid4()
        before = limiter.free(key, (10, 10))[0]
        assert taken(limiter, key, (10, 10), 20) == before
        assert limiter.free(key, (10, 10))[0] == 0
        total += before
    assert total == 10


def test_who_has_no_part_looks_again_soon(clock):
    beats.place.size, beats.place.rank = 2, 1
    limiter, key = RateLimiter(), uuid4()
    assert not limiter.take(key, (1, 86_400))
    assert limiter.free(key, (1, 86_400)) == (0, clock[0] + 1)


def test_with_redis_all_of_a_limit_is_everybodys(clock):
    beats.place.size, beats.place.rank = 2, 1
    limiter = RateLimiter(WindowStorage())
    assert taken(limiter, uuid4(), (3, 10), 5) == 3


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


def test_of_a_long_period_a_quarter_of_a_second_is_lost(clock):
    limiter, key = RateLimiter(), uuid4()
    taken(limiter, key, (1, 3600), 1)
    assert limiter.free(key, (1, 3600))[1] == pytest.approx(clock[0] + 3600.25)


def test_a_redis_that_takes_connections_and_says_nothing_is_not_waited_for_again_and_again():
    asked = []

    class Silent(RedisWindows):
        def take(self, *args, **kwargs):
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

    def made(self, quota=None, **fields):
        integration = IntegrationFactory.build(provider_slug="alpha", **fields)
        integration.quota = quota
        limiter = RateLimiter()
        permit = limiter.take_for(integration)
        assert permit
        return limiter, integration, permit

    def test_is_good_at_once_and_for_all_that_the_attempt_asks_then(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=2, rate_seconds=1)
        permit()
        clock[0] += 0.5
        permit()
        assert limiter.free(integration.pk, integration.rate) == (1, pytest.approx(1_800_000_001.05))
        assert slept == []

    def test_the_place_of_one_that_is_late_moves_with_it(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=2, rate_seconds=1)
        clock[0] += 0.9
        assert limiter.take_for(integration)
        permit()
        assert slept == []
        clock[0] += 0.2
        # Its old place is over, and so would be room for two within the second that has it.
        assert not limiter.take_for(integration)
        clock[0] += 0.9
        assert limiter.free(integration.pk, integration.rate)[0] == 2

    def test_so_does_its_place_in_the_quota(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=9, rate_seconds=9, quota=1)
        clock[0] += 0.9
        permit()
        clock[0] += 0.2
        assert limiter.free_of(integration)[0] == 0

    def test_one_whose_place_is_over_waits_for_another(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=1, rate_seconds=1)
        clock[0] += 1.1
        assert limiter.take_for(integration)
        permit()
        assert 0.9 < sum(slept) < 1.1

    def test_and_is_sent_later_where_that_is_far(self, clock, slept):
        limiter, integration, permit = self.made(rate_count=1, rate_seconds=60)
        clock[0] += 61
        assert limiter.take_for(integration)
        with pytest.raises(RateLimited, match="too late") as refused:
            permit()
        assert 59 < refused.value.retry_after < 61
        assert slept == []

    def test_one_taken_just_before_redis_went_away_is_counted_by_the_worker(self, clock, slept):
        class Away(RedisWindows):
            def take(self, key, limit, expiry, amount=1):
                return b"1800000000.000000"

            def move(self, key, at, expiry):
                raise StorageError(TimeoutError("no answer"))

        integration = IntegrationFactory.build(provider_slug="alpha", rate_count=1, rate_seconds=1)
        limiter = RateLimiter(Away("redis://127.0.0.1:1/0"))
        permit = limiter.take_for(integration)
        clock[0] += 0.5
        permit()
        assert limiter.free(integration.pk, integration.rate)[0] == 0
