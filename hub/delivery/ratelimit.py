"""Requests per period and integration, in memory or, on several machines, in Redis.

A moving window: no period of the given length ever sees more than the limit. A permit is taken
before a request leaves, and one takes longer to arrive than another; so that the provider, too, never
sees more, the window is a little longer than the period.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import Storage
from limits.strategies import MovingWindowRateLimiter

from hub.connections.models import Integration
from hub.lib.shared import Absence, patience
from hub.lib.windows import RedisWindows, WindowStorage

logger = logging.getLogger(__name__)

#: How much longer the window is than the period: a share of it, so that little is lost of a short one, and at
#: most so many seconds, because requests are not later than others by more where the period is long.
SPACING, LONGEST_SPACING = 0.05, 0.06
#: Seconds between a permit and its request that the longer window bears.
LATE = 0.04
#: Seconds that a thread itself waits for another permit.
WAIT_HERE = 2.0
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

    def take_for(self, integration: Integration) -> bool:
        """Take a permit for a delivery: of the integration's rate, and of its organization's quota if any."""
        if not self.take(integration.pk, integration.rate):
            return False
        if integration.quota is None:
            return True
        item, key = _quota_of(integration)
        return self._ask(lambda limiter: limiter.hit(item, key))

    def next_for(self, integration: Integration) -> float:
        """Return the Unix time from which ``take_for`` may succeed; 0 where it may now."""
        asked = [self.free(integration.pk, integration.rate)]
        if integration.quota is not None:
            asked.append(self.free_of(integration))
        return max((reset for free, reset in asked if free < 1), default=0.0)

    def free_of(self, integration: Integration) -> tuple[int, float]:
        """Return the same as ``free``, for the quota of the integration's organization, which has one."""
        item, key = _quota_of(integration)
        stats = self._ask(lambda limiter: limiter.get_window_stats(item, key))
        return stats.remaining, stats.reset_time

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


class Permit:
    """A delivery's permit, just taken. It is good for a request that leaves at once.

    Where that got ready late, on a machine that is busy or has just begun, the receiver would see it beside
    those of the next window, and more in some second than the limit allows: it needs another permit. No
    thread is held for one that is far: of a long period few requests lie at the seam.
    """

    __slots__ = ("_integration", "_limiter", "_taken")

    def __init__(self, limiter: RateLimiter, integration: Integration):
        self._limiter, self._integration = limiter, integration
        self._taken: float | None = time.monotonic()

    def __call__(self) -> None:
        """Let a request leave, an attempt's first maybe after a short wait."""
        taken, self._taken = self._taken, None
        if taken is None or time.monotonic() - taken <= LATE:
            return
        deadline = time.monotonic() + WAIT_HERE
        while not self._limiter.take_for(self._integration):
            wait = max(0.005, self._limiter.next_for(self._integration) - time.time())
            if time.monotonic() + wait > deadline:
                return
            time.sleep(wait)


def make_limiter() -> RateLimiter:
    """Return this process's limiter, over Redis where it is set, else over the process's memory.

    Deliveries and syncs count together: it is one provider's limit.
    """
    return _limiter(settings.HUB.redis_url)


@lru_cache(maxsize=4)
def _limiter(url: str) -> RateLimiter:
    return RateLimiter(RedisWindows(url, wrap_exceptions=True, **patience()) if url else None)


def _quota_of(integration: Integration) -> tuple[RateLimitItem, str]:
    return _item(integration.quota or 1, 1), f"organization:{integration.organization_id}"


class _Spaced(RateLimitItemPerSecond):
    """So many requests within so many seconds, and a little."""

    def get_expiry(self) -> float:  # type: ignore[override]
        """Return the length of the window in seconds."""
        period = float(super().get_expiry())
        return period + min(SPACING * period, LONGEST_SPACING)


@lru_cache(maxsize=4096)
def _item(count: int, seconds: int) -> RateLimitItem:
    return _Spaced(count, seconds, namespace="interchange")
