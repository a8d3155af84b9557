"""The circuit breaker of an integration: a pure decision, no I/O.

It opens when half of the requests of the last minute failed, if there were enough to tell; after a
pause one delivery tries; a success closes it, a failure opens it again for twice as long.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.connections.models import Circuit

LONGEST_PAUSE = 15 * 60
#: Seconds that count, in parts of so many.
WINDOW, PART = 60, 10
#: Share of failed requests that opens it.
TOO_MANY = 0.5

#: Requests of the last minute by part: Unix time of its beginning, how many in all, how many failed.
Window = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one integration's breaker; ``until`` ends an open circuit or a half-open trial."""

    circuit: Circuit
    streak: int
    opened: int
    until: datetime | None
    window: Window = ()

    def counting(self, requests: int, failed: int, now: datetime) -> "Breaker":
        """Return it with so many more requests at ``now``, without those of more than a minute ago."""
        part = int(now.timestamp()) // PART * PART
        # Of a clock that was set back, too.
        parts = {at: (n, bad) for at, n, bad in self.window if part - WINDOW < at <= part}
        known = parts.get(part, (0, 0))
        parts[part] = (known[0] + requests, known[1] + failed)
        return replace(self, window=tuple((at, *counts) for at, counts in sorted(parts.items())))

    @property
    def requests(self) -> int:
        """How many requests count."""
        return sum(part[1] for part in self.window)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(part[2] for part in self.window)


def after_success(breaker: Breaker, now: datetime) -> Breaker:
    """A delivery passed: a circuit that was not closed is now, and begins to count anew."""
    if breaker.circuit != Circuit.CLOSED:
        return Breaker(Circuit.CLOSED, 0, 0, None).counting(1, 0, now)
    return replace(breaker.counting(1, 0, now), streak=0, opened=0, until=None)


def after_failure(breaker: Breaker, *, threshold: int, cooldown: float, now: datetime) -> Breaker:
    """A delivery failed in a way that may be the provider's fault.

    ``threshold``: requests within a minute from which there are enough to tell.
    """
    counted = replace(breaker.counting(1, 1, now), streak=breaker.streak + 1)
    if breaker.circuit == Circuit.OPEN:
        # It was under way when the circuit opened; the pause is not made longer for it.
        return counted
    enough = counted.requests >= threshold
    if breaker.circuit == Circuit.CLOSED and not (enough and counted.failed >= TOO_MANY * counted.requests):
        return replace(counted, until=None)
    pause = min(cooldown * 2**breaker.opened, LONGEST_PAUSE)
    return replace(
        counted,
        circuit=Circuit.OPEN,
        opened=breaker.opened + 1,
        until=now + timedelta(seconds=pause),
    )


def trial(breaker: Breaker, *, now: datetime, lease: float) -> Breaker | None:
    """Return the half-open breaker if one delivery may try now, else None.

    The trial ends with ``lease`` at the latest, so that a worker that dies in it blocks nobody.
    """
    if breaker.circuit == Circuit.CLOSED or (breaker.until is not None and breaker.until > now):
        return None
    return replace(breaker, circuit=Circuit.HALF_OPEN, until=now + timedelta(seconds=lease))
