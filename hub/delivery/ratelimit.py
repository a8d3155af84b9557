"""Requests per period and integration, in memory or, on several machines, in Redis.

A moving window: no period of the given length ever sees more than the limit.
"""

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter

from hub.lib.shared import Absence, patience
from hub.lib.windows import WindowStorage

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class RateLimiter:
    """Counts what each integration sends; while Redis is away, what this process sends."""

    def __init__(self, storage: Storage | None = None):
        """``storage``: of the limits library, shared by the workers; None: this process's memory."""
        self._own = MovingWindowRateLimiter(WindowStorage())
        self._shared = MovingWindowRateLimiter(storage) if storage else self._own
        self._away = Absence()

    def take(self, integration_id: UUID, rate: tuple[int, int]) -> bool:
        """Take a permit of ``rate`` (requests, seconds); return whether there was one."""
        item, key = _item(*rate), integration_id.hex
        return self._ask(lambda limiter: limiter.hit(item, key))

    def free(self, integration_id: UUID, rate: tuple[int, int]) -> tuple[int, float]:
        """Return (permits free now, Unix time at which the next one comes free)."""
        item, key = _item(*rate), integration_id.hex
        stats = self._ask(lambda limiter: limiter.get_window_stats(item, key))
        return stats.remaining, stats.reset_time

    def _ask(self, question: Callable[[MovingWindowRateLimiter], Answer]) -> Answer:
        if not self._away.lasts():
            try:
                answer = question(self._shared)
            except StorageError as error:
                self._away.begin()
                logger.warning("Redis does not answer (%s): this worker counts its own requests only.", error)
            else:
                self._away.end()
                return answer
        return question(self._own)


def make_limiter() -> RateLimiter:
    """Return this process's limiter, over Redis where it is set, else over the process's memory.

    Deliveries and syncs count together: it is one provider's limit.
    """
    return _limiter(settings.HUB.redis_url)


@lru_cache(maxsize=4)
def _limiter(url: str) -> RateLimiter:
    return RateLimiter(RedisStorage(url, wrap_exceptions=True, **patience()) if url else None)


@lru_cache(maxsize=4096)
def _item(count: int, seconds: int) -> RateLimitItem:
    return RateLimitItemPerSecond(count, seconds, namespace="interchange")
