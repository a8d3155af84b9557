"""An organization's quota of deliveries a second, over all of its integrations."""

from collections import Counter
from collections.abc import Iterable

from hub.connections.models import Integration
from hub.delivery.ratelimit import RateLimiter


class Shares:
    """How much of its organization's quota an integration may claim; for one look at the queue.

    Without it an organization with many integrations would claim as much for each, send little of
    it, and take the room of the others meanwhile.
    """

    def __init__(self, limiter: RateLimiter, waiting: Iterable[tuple[Integration, int]]):
        """``waiting``: integrations, and how many of their items this worker holds unsent."""
        self._limiter = limiter
        self._waiting: Counter[int] = Counter()
        for integration, count in waiting:
            self.took(integration, count)

    def took(self, integration: Integration, count: int) -> None:
        """``count`` more are held for ``integration``."""
        if integration.quota is not None:
            self._waiting[integration.organization_id] += count

    def free(self, integration: Integration) -> tuple[int, float] | None:
        """Return (items that may be claimed yet, Unix time at which there are more); None: no quota."""
        if integration.quota is None:
            return None
        free, reset = self._limiter.free_of(integration)
        return free - self._waiting[integration.organization_id], reset
