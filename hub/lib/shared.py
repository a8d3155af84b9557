"""Redis as a help that may be missing: nobody waits for it long, nor again and again."""

import threading
import time
from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

#: Seconds that one question to Redis may take.
PATIENCE = 1.0
#: Seconds without a question after one that was not answered.
PAUSE = 5.0


def patience() -> dict[str, Any]:
    """Options of a Redis client that gives up soon.

    A lost connection is opened anew once. The client's own defaults wait for ever, and try for seconds.
    """
    return {
        "socket_timeout": PATIENCE,
        "socket_connect_timeout": PATIENCE,
        "retry": Retry(NoBackoff(), 1),
        "health_check_interval": 0,
    }


class Absence:
    """Remembers that Redis was away a moment ago; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def begin(self) -> None:
        """It did not answer."""
        with self._lock:
            self._until = time.monotonic() + PAUSE

    def lasts(self) -> bool:
        """Whether to do without; when the pause is over one caller tries, the others still do without."""
        if not self._until:
            return False
        with self._lock:
            if not self._until or time.monotonic() < self._until:
                return bool(self._until)
            self._until = time.monotonic() + PAUSE
            return False

    def end(self) -> None:
        """It answered."""
        if self._until:
            with self._lock:
                self._until = 0.0
