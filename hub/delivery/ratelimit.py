"""Requests per period and integration, in memory or, on several machines, in Redis.

A moving window: no period of the given length ever sees more than the limit.
"""

import logging
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from hub.lib.windows import WindowStorage

logger = logging.getLogger(__name__)


class RateLimiter:
    """Counts what each integration sends; while Redis is away, what this process sends."""

    def __init__(self, storage: Storage | None = None):
        """``storage``: of the limits library, shared by the workers; None: this process's memory."""
        self._own = MovingWindowRateLimiter(WindowStorage())
        self._shared = MovingWindowRateLimiter(storage) if storage else self._own

    def take(self, integration_id: UUID, rate: tuple[int, int]) -> bool:
        """Take a permit of ``rate`` (requests, seconds); return whether there was one."""
        item, key = _item(*rate), integration_id.hex
        try:
            return self._shared.hit(item, key)
        except StorageError as error:
            _warn(error)
            return self._own.hit(item, key)

    def free(self, integration_id: UUID, rate: tuple[int, int]) -> tuple[int, float]:
        """Return (permits free now, Unix time at which the next one comes free)."""
        item, key = _item(*rate), integration_id.hex
        try:
            stats = self._shared.get_window_stats(item, key)
        except StorageError as error:
            _warn(error)
            stats = self._own.get_window_stats(item, key)
        return stats.remaining, stats.reset_time


def make_limiter() -> RateLimiter:
    """Return this process's limiter, over Redis where it is set, else over the process's memory.

    Deliveries and syncs count together: it is one provider's limit.
    """
    return _limiter(settings.HUB.redis_url)


@lru_cache(maxsize=4)
def _limiter(url: str) -> RateLimiter:
    return RateLimiter(RedisStorage(url, wrap_exceptions=True) if url else None)


def _warn(error: Exception) -> None:
    logger.warning("Redis does not answer (%s): this worker counts its own requests only.", error)


@lru_cache(maxsize=4096)
def _item(count: int, seconds: int) -> RateLimitItem:
    return RateLimitItemPerSecond(count, seconds, namespace="interchange")
