"""A memory storage for the ``limits`` library that remembers exact moving windows.

The library's own starts a timer thread for nearly every hit, which costs more than a delivery.
"""

import threading
import time
from collections import deque

from limits.storage import MovingWindowSupport, Storage


class WindowStorage(Storage, MovingWindowSupport):
    """Times of the hits of each key, the oldest first; safe for threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._hits: dict[str, deque[float]] = {}

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Memory does not fail."""
        return ()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` hits of ``key``, unless more than ``limit`` fell within ``expiry`` seconds."""
        now = time.time()
        with self._lock:
            hits = self._within(key, now, expiry)
            if len(hits) + amount > limit:
                return False
            hits.extend([now] * amount)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return (time of the oldest hit, number of hits) within ``expiry`` seconds."""
        now = time.time()
        with self._lock:
            hits = self._within(key, now, expiry)
            return (hits[0] if hits else now), len(hits)

    def _within(self, key: str, now: float, expiry: int) -> deque[float]:
        hits = self._hits.setdefault(key, deque())
        while hits and (hits[0] <= now - expiry or hits[0] > now + expiry):
            hits.popleft()
        return hits

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
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
            return known

    def clear(self, key: str) -> None:
        """Forget one key."""
        with self._lock:
            self._hits.pop(key, None)
