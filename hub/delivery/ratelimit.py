"""Requests per period and integration, in memory or, on several machines, in Redis.

A moving window: no period of the given length ever sees more than the limit.
"""

import logging
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter

logger = logging.getLogger(__name__)


class RateLimiter:
    """Counts what each integration sends."""

    def __init__(self, storage: Storage):
        self._limiter = MovingWindowRateLimiter(storage)

    def take(self, integration_id: UUID, rate: tuple[int, int], wanted: int) -> int:
        """Take up to ``wanted`` permits of ``rate`` (requests, seconds); return how many were had."""
        item = _item(*rate)
        key = integration_id.hex
        if wanted > 1 and self._limiter.hit(item, key, cost=min(wanted, rate[0])):
            return min(wanted, rate[0])
        taken = 0
        while taken < wanted and self._limiter.hit(item, key):
            taken += 1
        return taken

    def free(self, integration_id: UUID, rate: tuple[int, int]) -> tuple[int, float]:
        """Return (permits free now, Unix time at which the next one comes free)."""
        stats = self._limiter.get_window_stats(_item(*rate), integration_id.hex)
        return stats.remaining, stats.reset_time


def make_limiter() -> RateLimiter:
    """Return a limiter over Redis where it is set, else over this process's memory."""
    url = settings.HUB.redis_url
    return RateLimiter(RedisStorage(url) if url else MemoryStorage())


@lru_cache(maxsize=4096)
def _item(count: int, seconds: int) -> RateLimitItem:
    return RateLimitItemPerSecond(count, seconds, namespace="interchange")
