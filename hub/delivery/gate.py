"""What may be claimed for an integration now: a pure decision, no I/O.

An integration that is paused, waits for its provider, has an open circuit or no permits left has
nothing claimed, so that its items burn no attempts and it starves nobody else.
"""

from dataclasses import dataclass
from datetime import datetime

from hub.connections.models import Circuit, Status
from hub.delivery.breaker import Breaker, trial


@dataclass(frozen=True, slots=True)
class Gate:
    """How many items may be claimed; why none, and when to look again, if it is known.

    ``trial``: the circuit becomes half open with this claim. ``divert``: items that have another
    target left may go there instead of waiting.
    """

    quota: int
    reason: str = ""
    look_again: datetime | None = None
    trial: Breaker | None = None
    divert: bool = False


def gate(
    *,
    status: str,
    blocked_until: datetime | None,
    breaker: Breaker,
    room: int,
    now: datetime,
    lease: float,
) -> Gate:
    """Return the gate of an integration that has ``room`` for more items in this worker."""
    if status == Status.PAUSED:
        return Gate(0, "paused")
    if status == Status.RECONNECT:
        return Gate(0, "needs reconnecting", divert=True)
    if blocked_until is not None and blocked_until > now:
        return Gate(0, "the provider asked to wait", look_again=blocked_until)
    if breaker.circuit != Circuit.CLOSED:
        half_open = trial(breaker, now=now, lease=lease)
        if half_open is None:
            return Gate(0, "circuit open", look_again=breaker.until, divert=breaker.circuit == Circuit.OPEN)
        return Gate(min(room, 1), "circuit half open", trial=half_open)
    return Gate(room)


#: More sends a second than one process can make: what needs more threads than this times its
#: latency only has them fight for the interpreter.
FASTEST = 2500.0
#: Threads a lane may have whatever its latency.
LEAST_THREADS = 4


def fair_room(
    free_threads: int, in_flight: int, limit: int, *, latency: float = float("inf"), reserve: int = 0
) -> int:
    """How many more sends one integration may start, whose quickest answers took ``latency`` seconds.

    It holds no more threads than its latency can use, leaves a quarter of those that the others have
    not taken, and touches the last ``reserve`` only for its first: however many integrations are
    slow, one is left for the next.
    """
    if free_threads <= 0:
        return 0
    if free_threads <= reserve:
        return 0 if in_flight else min(limit, 1)
    useful = limit if latency * FASTEST >= limit else LEAST_THREADS + int(latency * FASTEST)
    share = max(1, (free_threads - reserve + in_flight) * 3 // 4)
    return max(0, min(limit, share, useful) - in_flight)
