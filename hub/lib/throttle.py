"""How often somebody may call: counted in memory, or in Redis where several machines share it."""

import logging
import math
import threading
import time
from functools import lru_cache
from typing import cast

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

from hub.lib.shared import Absence, patience
from hub.lib.windows import WindowStorage

logger = logging.getLogger(__name__)
#: Up to here each call is remembered and the limit is exact; above, two counters approximate it.
EXACT_UP_TO = 1000
#: Callers that are counted in memory at once.
MOST_CALLERS = 10_000


def take(group: str, count: int, *identifiers: str, minutes: int = 1) -> int:
    """Count one call; return 0, or the seconds to wait where ``count`` in ``minutes`` were reached.

    ``group`` keeps limits of different kinds apart; ``identifiers`` name who calls what. Where
    Redis is away every call is let through: losing calls would be worse than taking too many.
    """
    if not settings.HUB.redis_url and count > EXACT_UP_TO:
        return _windows.take((group, *identifiers), count, minutes * 60)
    if _away.lasts():
        return 0
    limiter = _limiter(settings.HUB.redis_url, count <= EXACT_UP_TO)
    item = RateLimitItemPerMinute(count, minutes, namespace=f"interchange:{group}")
    try:
        free = limiter.hit(item, *identifiers)
        _away.end()
        if free:
            return 0
        reset = limiter.get_window_stats(item, *identifiers).reset_time
    except StorageError as error:
        _away.begin()
        logger.warning("Calls are not counted, because Redis does not answer: %s", error)
        return 0
    return max(1, math.ceil(reset - time.time()))


class _Windows:
    """Two counters per caller: of this window, and of the one before, weighed by what is left of it.

    What ``limits`` does for these, without the thread that it starts for nearly every hit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, ...], tuple[int, int, int]] = {}

    def take(self, caller: tuple[str, ...], count: int, seconds: int) -> int:
        """Count one call; return 0, or the seconds to wait."""
        now = time.time()
        window, gone = int(now // seconds), now % seconds
        with self._lock:
            known, present, before = self._held.get(caller, (window, 0, 0))
            if known != window:
                present, before = 0, present if known == window - 1 else 0
            free = before * (1 - gone / seconds) + present < count
            if len(self._held) > MOST_CALLERS:
                self._held.clear()
            self._held[caller] = (window, present + free, before)
        return 0 if free else max(1, math.ceil(seconds - gone if present >= count else seconds / count))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._held.clear()


_windows = _Windows()
_away = Absence()


def forget() -> None:
    """Forget every count kept in memory."""
    _windows.clear()
    _away.end()
    _limiter.cache_clear()
    _storage.cache_clear()


@lru_cache(maxsize=4)
def _limiter(redis_url: str, exact: bool) -> RateLimiter:
    kind = MovingWindowRateLimiter if exact else SlidingWindowCounterRateLimiter
    return kind(_storage(redis_url))


@lru_cache(maxsize=2)
def _storage(redis_url: str) -> Storage:
    if not redis_url:
        return WindowStorage(MOST_CALLERS)
    return cast(Storage, storage_from_string(redis_url, wrap_exceptions=True, **patience()))
