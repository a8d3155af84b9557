"""How many deliveries went well in this process and are not counted on their integration yet.

While all goes well nothing is written on an integration; its breaker must know of the successes
nevertheless when something fails.
"""

import threading
from uuid import UUID

#: By integration: how many went well since the last failure, and from when on (Unix seconds).
_well: dict[UUID, tuple[int, float]] = {}
_lock = threading.Lock()
#: What is older than the breaker's window says nothing any more.
_FORGET_AFTER = 60.0


def went_well(integration_id: UUID, count: int, now: float) -> None:
    """Count successes that change nothing by themselves."""
    with _lock:
        known, since = _well.get(integration_id, (0, now))
        # Halved instead of forgotten at once, so that a steady flow is never without a past.
        if now - since > _FORGET_AFTER:
            known, since = known // 2, now - _FORGET_AFTER / 2
        _well[integration_id] = (known + count, since)


def take(integration_id: UUID, now: float) -> int:
    """Return the successes of about the last minute, and begin anew."""
    with _lock:
        known, since = _well.pop(integration_id, (0, now))
    return known if now - since <= 2 * _FORGET_AFTER else 0
