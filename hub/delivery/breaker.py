"""The circuit breaker of an integration: a pure decision, no I/O.

Failures in a row open it; after a pause one delivery tries; a success closes it, a failure opens
it again for twice as long.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.connections.models import Circuit

LONGEST_PAUSE = 15 * 60


@dataclass(frozen=True, slots=True)
class Breaker:
    """State of one integration's breaker; ``until`` ends an open circuit or a half-open trial."""

    circuit: Circuit
    streak: int
    opened: int
    until: datetime | None


def after_success(breaker: Breaker) -> Breaker:
    """A delivery passed: the circuit closes, whatever it was."""
    return Breaker(Circuit.CLOSED, 0, 0, None)


def after_failure(breaker: Breaker, *, threshold: int, cooldown: float, now: datetime) -> Breaker:
    """A delivery failed in a way that may be the provider's fault."""
    streak = breaker.streak + 1
    if breaker.circuit == Circuit.OPEN:
        # It was under way when the circuit opened; the pause is not made longer for it.
        return Breaker(Circuit.OPEN, streak, breaker.opened, breaker.until)
    if breaker.circuit == Circuit.CLOSED and streak < threshold:
        return Breaker(Circuit.CLOSED, streak, breaker.opened, None)
    pause = min(cooldown * 2**breaker.opened, LONGEST_PAUSE)
    return Breaker(Circuit.OPEN, streak, breaker.opened + 1, now + timedelta(seconds=pause))


def trial(breaker: Breaker, *, now: datetime, lease: float) -> Breaker | None:
    """Return the half-open breaker if one delivery may try now, else None.

    The trial ends with ``lease`` at the latest, so that a worker that dies in it blocks nobody.
    """
    if breaker.circuit == Circuit.CLOSED or (breaker.until is not None and breaker.until > now):
        return None
    return Breaker(Circuit.HALF_OPEN, breaker.streak, breaker.opened, now + timedelta(seconds=lease))
