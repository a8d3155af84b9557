"""How long due items wait because a limit of requests is used up: an integration's or its organization's.

A worker notes at each look at the queue which integrations have something due and no permit. The time
until its next look counts for them; several workers each count their own.
"""

import time
from collections import Counter
from collections.abc import Iterable

from hub.connections.models import Integration
from hub.delivery.signals import rate_limits_waited

#: Seconds between two tellings.
TELL_EVERY = 10.0


class Waits:
    """What one worker knows of it; only its coordinator calls this."""

    def __init__(self) -> None:
        self._waiting: list[Integration] = []
        self._milliseconds: Counter[Integration] = Counter()
        self._looked_at = self._told_at = time.monotonic()

    def look(self, waiting: Iterable[Integration]) -> None:
        """``waiting`` have something due now and no permit; those of the last look waited until now."""
        now = time.monotonic()
        passed = round((now - self._looked_at) * 1000)
        for integration in self._waiting:
            self._milliseconds[integration] += passed
        self._waiting, self._looked_at = list(waiting), now
        if now - self._told_at >= TELL_EVERY:
            self.tell()

    def tell(self) -> None:
        """Tell the other slices what was noted since the last time."""
        self._told_at = time.monotonic()
        if self._milliseconds:
            waited, self._milliseconds = dict(self._milliseconds), Counter()
            # Figures must not keep anybody from delivering; Django writes into the log what failed.
            rate_limits_waited.send_robust(Waits, waited=waited)
