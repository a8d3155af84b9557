"""Requests per period and integration, in memory or, on several machines, in Redis.

A moving window: no period of the given length ever sees more than the limit. A permit is taken
before a request leaves, and one takes longer to arrive than another; so that the provider, too, never
sees more, the window is a little longer than the period, and a permit whose request is late moves in it.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.conf import settings
from limits import RateLimitItemPerSecond
from limits.errors import StorageError

from hub.connections.models import Integration
from hub.delivery.beats import place
from hub.lib.shared import Absence, patience
from hub.lib.windows import RedisWindows, Windows, WindowStorage
from integrations.base.errors import RateLimited

logger = logging.getLogger(__name__)

#: How much longer the window is than the period: a twentieth of a short one, a fiftieth more of what is
#: longer than a second, at most a quarter of a second. Half of it is for the time before a request leaves,
#: half for its way.
SPACING, SPACING_BEYOND, LONGEST_SPACING = 0.05, 0.02, 0.25
#: Seconds that a thread itself waits for another permit.
WAIT_HERE = 2.0
Answer = TypeVar("Answer")


class Hit(NamedTuple):
    """A place in a window: whose, since when as its storage writes it, and the window's seconds."""

    key: str
    at: Any
    seconds: float


class RateLimiter:
    """Counts what each integration sends; while Redis is away, what this process sends of its part."""

    def __init__(self, storage: RedisWindows | None = None):
        """``storage``: shared by the workers; None: this process's memory, for its part of each limit."""
        self._own, self._shared = WindowStorage(), storage
        self._away = Absence()

    def take(self, integration_id: UUID, rate: tuple[int, int]) -> bool:
        """Take a place in the window of ``rate`` (requests, seconds); return whether there was one."""
        return self._hit(_item(*rate), integration_id.hex) is not None

    def take_for(self, integration: Integration) -> "Permit | None":
        """Take a permit for a delivery: of the integration's rate, and of its organization's quota if any."""
        permit = Permit(self, integration)
        return permit if permit.take() else None

    def hits_for(self, integration: Integration) -> tuple[Hit, ...]:
        """Return the places that a permit consists of; none where one of them is not free."""
        hit = self._hit(_item(*integration.rate), integration.pk.hex)
        if hit is None or integration.quota is None:
            return (hit,) if hit else ()
        quota = self._hit(*_quota_of(integration))
        return (hit, quota) if quota else ()

    def move(self, hit: Hit) -> bool:
        """Let a hit be one of now; return False where its window is over."""
        return self._ask(lambda windows, part: windows.move(hit.key, hit.at, hit.seconds))

    def _hit(self, item: "_Spaced", key: str) -> Hit | None:
        key, seconds = item.key_for(key), item.get_expiry()
        at = self._ask(lambda windows, part: windows.take(key, part(item.amount), seconds))
        return Hit(key, at, seconds) if at else None

    def next_for(self, integration: Integration) -> float:
        """Return the Unix time from which ``take_for`` may succeed; 0 where it may now."""
        asked = [self.free(integration.pk, integration.rate)]
        if integration.quota is not None:
            asked.append(self.free_of(integration))
        return max((reset for free, reset in asked if free < 1), default=0.0)

    def free_of(self, integration: Integration) -> tuple[int, float]:
        """Return the same as ``free``, for the quota of the integration's organization, which has one."""
        return self._free(*_quota_of(integration))

    def free(self, integration_id: UUID, rate: tuple[int, int]) -> tuple[int, float]:
        """Return (permits free now, Unix time at which the next one comes free)."""
        return self._free(_item(*rate), integration_id.hex)

    def _free(self, item: "_Spaced", key: str) -> tuple[int, float]:
        key, seconds = item.key_for(key), item.get_expiry()

        def look(windows: Windows, part: Callable[[int], int]) -> tuple[int, float]:
            count = part(item.amount)
            if count < 1:
                # None is ours, until the other workers are fewer.
                return 0, time.time() + min(seconds, 1.0)
            oldest, used = windows.get_moving_window(key, count, seconds)
            return max(0, count - used), oldest + seconds

        return self._ask(look)

    def _ask(self, question: "Callable[[Windows, Callable[[int], int]], Answer]") -> Answer:
        """Return the answer of the windows there are, of which the process may use so much."""
        if self._shared and not self._away.lasts():
            try:
                answer = question(self._shared, _all_of)
            except StorageError as error:
                self._away.begin()
                logger.warning("Redis does not answer (%s): each worker uses its part of the limits.", error)
            else:
                self._away.end()
                return answer
        return question(self._own, place.part_of)


class Permit:
    """A delivery's place in the windows, just taken. It is good for a request that leaves at once.

    One that got ready late, on a machine that is busy or over a connection that had first to be opened, would
    reach the provider beside those of the next window: its place moves with it. Until then it holds the old
    one, so nobody was let in for it; only where that is over meanwhile does it need another.
    """

    __slots__ = ("_asked", "_hits", "_integration", "_limiter", "_used")

    def __init__(self, limiter: RateLimiter, integration: Integration):
        self._limiter, self._integration = limiter, integration
        self._hits: tuple[Hit, ...] = ()
        self._used = False

    def take(self) -> bool:
        """Take a place; return whether there was one."""
        # Not when the answer was there: that may be read late, too.
        self._asked = time.monotonic()
        self._hits = self._limiter.hits_for(self._integration)
        return bool(self._hits)

    def __call__(self) -> None:
        """Let a request leave, maybe after a short wait; raise RateLimited instead of a long one."""
        if self._used:
            return
        self._used = True
        deadline = time.monotonic() + WAIT_HERE
        while not self._holds():
            wait = max(0.005, self._limiter.next_for(self._integration) - time.time())
            if time.monotonic() + wait > deadline:
                raise RateLimited(
                    "The request was ready too late for its place in the integration's rate limit, and no "
                    "other place was free soon. It was not sent.",
                    hint="The hub sends it by itself as soon as there is room. If this happens often, the "
                    "machine is too busy: give it more cores, or run fewer workers on it.",
                    retry_after=wait,
                )
            time.sleep(wait)
            self.take()

    def _holds(self) -> bool:
        if not self._hits:
            return False
        if time.monotonic() - self._asked <= _item(*self._integration.rate).bears:
            return True
        moved = [self._limiter.move(hit) for hit in self._hits]
        return all(moved)


def make_limiter() -> RateLimiter:
    """Return this process's limiter, over Redis where it is set, else over the process's memory.

    Deliveries and syncs count together: it is one provider's limit.
    """
    return _limiter(settings.HUB.redis_url)


@lru_cache(maxsize=4)
def _limiter(url: str) -> RateLimiter:
    return RateLimiter(RedisWindows(url, wrap_exceptions=True, **patience()) if url else None)


def _all_of(count: int) -> int:
    return count


def _quota_of(integration: Integration) -> "tuple[_Spaced, str]":
    return _item(integration.quota or 1, 1), f"organization:{integration.organization_id}"


class _Spaced(RateLimitItemPerSecond):
    """So many requests within so many seconds, and a little."""

    def get_expiry(self) -> float:  # type: ignore[override]
        """Return the length of the window in seconds."""
        return float(super().get_expiry()) + self.spacing

    @property
    def spacing(self) -> float:
        """Seconds that the window is longer than the period."""
        period = float(super().get_expiry())
        return min(SPACING * min(period, 1.0) + SPACING_BEYOND * max(0.0, period - 1.0), LONGEST_SPACING)

    @property
    def bears(self) -> float:
        """Seconds between a permit and its request that this makes up for."""
        return self.spacing / 2


@lru_cache(maxsize=4096)
def _item(count: int, seconds: int) -> _Spaced:
    return _Spaced(count, seconds, namespace="interchange")
