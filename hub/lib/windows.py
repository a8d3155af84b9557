"""Storages for the ``limits`` library that remember exact moving windows, also of parts of a second.

The library's own in memory starts a timer thread for nearly every hit, which costs more than a delivery; its
own over Redis takes whole seconds, and the time of each caller's clock.
Here room is made when a new key comes and there are too many: first those go whose windows are over.
"""

import threading
import time
from collections import deque
from itertools import islice
from typing import Any, cast

from limits.errors import StorageError
from limits.storage import MovingWindowSupport, RedisStorage, Storage

_ACQUIRE = """
local t = redis.call('TIME')
local now, limit, seconds, amount = t[1] + t[2] / 1e6, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if amount > limit then return '' end
local oldest = redis.call('LINDEX', KEYS[1], limit - amount)
if oldest and tonumber(oldest) > now - seconds then return '' end
local at = string.format('%.6f', now)
for _ = 1, amount do redis.call('LPUSH', KEYS[1], at) end
redis.call('LTRIM', KEYS[1], 0, limit - 1)
redis.call('PEXPIRE', KEYS[1], math.ceil(seconds * 1000))
return at
"""
_MOVE = """
local t = redis.call('TIME')
local now, at, seconds = t[1] + t[2] / 1e6, ARGV[1], tonumber(ARGV[2])
if tonumber(at) <= now - seconds then return 0 end
if redis.call('LREM', KEYS[1], -1, at) == 0 then return 0 end
redis.call('LPUSH', KEYS[1], string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(seconds * 1000))
return 1
"""
_WINDOW = """
local t = redis.call('TIME')
local now, seconds = t[1] + t[2] / 1e6, tonumber(ARGV[2])
local count, oldest = 0, now
for _, at in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  if tonumber(at) <= now - seconds then break end
  count, oldest = count + 1, tonumber(at)
end
return {string.format('%.6f', oldest), count}
"""


class RedisWindows(RedisStorage):
    """Times of the hits of each key in Redis, by the clock of Redis: one for all machines."""

    def initialize_storage(self, uri: str) -> None:
        """Make the scripts ready; asks nothing of Redis yet."""
        super().initialize_storage(uri)
        self._acquire = self.get_connection().register_script(_ACQUIRE.encode())
        self._move = self.get_connection().register_script(_MOVE.encode())
        self._window = self.get_connection().register_script(_WINDOW.encode())

    def acquire_entry(self, key: str, limit: int, expiry: float, amount: int = 1) -> bool:
        """Count ``amount`` hits of ``key``, unless more than ``limit`` fell within ``expiry`` seconds."""
        return bool(self.take(key, limit, expiry, amount))

    def take(self, key: str, limit: int, expiry: float, amount: int = 1) -> bytes:
        """Do the same; return the time of the hits as ``move`` takes it, nothing where there was no room."""
        return cast(bytes, self._run(self._acquire, key, limit, expiry, amount))

    def move(self, key: str, at: bytes, expiry: float) -> bool:
        """Let the hit of ``at`` be one of now; return False where it is over or unknown."""
        return bool(self._run(self._move, key, at, expiry))

    def _run(self, script: Any, key: str, *values: Any) -> Any:
        try:
            return script([self.prefixed_key(key)], values)
        except self.base_exceptions as error:
            # As the library does for the methods that it knows.
            if self.wrap_exceptions:
                raise StorageError(error) from error
            raise

    def get_moving_window(self, key: str, limit: int, expiry: float) -> tuple[float, int]:
        """Return (time of the oldest hit within ``expiry`` seconds, how many there are)."""
        oldest, count = self._run(self._window, key, limit, expiry)
        return float(oldest), int(count)


class WindowStorage(Storage, MovingWindowSupport):
    """Times of the hits of each key, the oldest first; safe for threads.

    ``most``: keys that are remembered at once. Beyond them the tenth that came first is forgotten.
    """

    def __init__(self, most: int = 100_000) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._most = most
        self._hits: dict[str, deque[float]] = {}
        self._expiry: dict[str, float] = {}

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Memory does not fail."""
        return ()

    def acquire_entry(self, key: str, limit: int, expiry: float, amount: int = 1) -> bool:
        """Count ``amount`` hits of ``key``, unless more than ``limit`` fell within ``expiry`` seconds."""
        return bool(self.take(key, limit, expiry, amount))

    def take(self, key: str, limit: int, expiry: float, amount: int = 1) -> float:
        """Do the same; return the time of the hits as ``move`` takes it, 0 where there was no room."""
        now = time.time()
        with self._lock:
            hits = self._within(key, now, expiry)
            if len(hits) + amount > limit:
                return 0.0
            hits.extend([now] * amount)
            return now

    def move(self, key: str, at: float, expiry: float) -> bool:
        """Let the hit of ``at`` be one of now; return False where it is over or unknown."""
        now = time.time()
        with self._lock:
            hits = self._within(key, now, expiry)
            try:
                hits.remove(at)
            except ValueError:
                return False
            hits.append(now)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: float) -> tuple[float, int]:
        """Return (time of the oldest hit, number of hits) within ``expiry`` seconds."""
        now = time.time()
        with self._lock:
            hits = self._within(key, now, expiry)
            return (hits[0] if hits else now), len(hits)

    def _within(self, key: str, now: float, expiry: float) -> deque[float]:
        hits = self._hits.get(key)
        if hits is None:
            if len(self._hits) >= self._most:
                self._make_room(now)
            hits = self._hits[key] = deque()
        self._expiry[key] = expiry
        while hits and (hits[0] <= now - expiry or hits[0] > now + expiry):
            hits.popleft()
        return hits

    def _make_room(self, now: float) -> None:
        over = [key for key, hits in self._hits.items() if not hits or hits[-1] <= now - self._expiry[key]]
        kept = len(self._hits) - len(over)
        if kept >= self._most:
            over += list(islice(self._hits, max(1, self._most // 10)))
        for key in over:
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._hits.pop(key, None)
        self._expiry.pop(key, None)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count hits without a limit; return how many fell within ``expiry`` seconds."""
        with self._lock:
            hits = self._within(key, time.time(), expiry)
            hits.extend([time.time()] * amount)
            return len(hits)

    def get(self, key: str) -> int:
        """Return the hits remembered for ``key``."""
        return len(self._hits.get(key, ()))

    def get_expiry(self, key: str) -> float:
        """Return the time of the oldest hit of ``key``, or now."""
        hits = self._hits.get(key)
        return hits[0] if hits else time.time()

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int | None:
        """Forget everything; return how many keys were known."""
        with self._lock:
            known = len(self._hits)
            self._hits.clear()
            self._expiry.clear()
            return known

    def clear(self, key: str) -> None:
        """Forget one key."""
        with self._lock:
            self._forget(key)


#: Storages whose hits can be moved.
Windows = RedisWindows | WindowStorage
