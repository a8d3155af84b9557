"""How often somebody may call: counted in memory, or in Redis where several machines share it."""

import logging
import math
import time
from functools import lru_cache
from typing import cast

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

logger = logging.getLogger(__name__)
#: Up to here each call is remembered and the limit is exact; above, two counters approximate it.
EXACT_UP_TO = 1000


def take(group: str, count: int, *identifiers: str, minutes: int = 1) -> int:
    """Count one call; return 0, or the seconds to wait where ``count`` in ``minutes`` were reached.

    ``group`` keeps limits of different kinds apart; ``identifiers`` name who calls what. Where
    Redis is away every call is let through: losing calls would be worse than taking too many.
    """
    limiter = _limiter(settings.HUB.redis_url, count <= EXACT_UP_TO)
    item = RateLimitItemPerMinute(count, minutes, namespace=f"interchange:{group}")
    try:
        if limiter.hit(item, *identifiers):
            return 0
        reset = limiter.get_window_stats(item, *identifiers).reset_time
    except StorageError as error:
        logger.warning("Calls are not counted, because Redis does not answer: %s", error)
        return 0
    return max(1, math.ceil(reset - time.time()))


def forget() -> None:
    """Forget every count kept in memory."""
    _limiter.cache_clear()
    _storage.cache_clear()


@lru_cache(maxsize=4)
def _limiter(redis_url: str, exact: bool) -> RateLimiter:
    kind = MovingWindowRateLimiter if exact else SlidingWindowCounterRateLimiter
    return kind(_storage(redis_url))


@lru_cache(maxsize=2)
def _storage(redis_url: str) -> Storage:
    return cast(Storage, storage_from_string(redis_url or "memory://", wrap_exceptions=True))
