"""Which endpoint a token belongs to: remembered for a moment, because most calls come in crowds."""

import threading
import time
from typing import Any

from django.db.models.signals import post_delete, post_save

from hub.connections.models import Integration
from webhooks.models import WebhookEndpoint

#: Seconds after which a change made in another process holds here at the latest.
REMEMBER = 1.0
MOST_REMEMBERED = 1000


class _Memory:
    """Endpoints with their integrations, by the hash of their token."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, WebhookEndpoint]] = {}
        self._lock = threading.Lock()
        self._changes = 0

    def find(self, token: str) -> WebhookEndpoint | None:
        """Return the endpoint, or None; one query, or none where it was asked just now."""
        digest = WebhookEndpoint.digest(token)
        held = self._held.get(digest)
        if held and held[0] > time.monotonic():
            return held[1]
        changes = self._changes
        rows = WebhookEndpoint.objects.select_related("integration", "integration__organization")
        endpoint = rows.filter(token_digest=digest).first()
        with self._lock:
            if len(self._held) >= MOST_REMEMBERED:
                self._held.clear()
            self._held.pop(digest, None)
            # What changed while it was read may have been read as it was before.
            if endpoint is not None and changes == self._changes:
                self._held[digest] = (time.monotonic() + REMEMBER, endpoint)
        return endpoint

    def clear(self, **kwargs: Any) -> None:
        """Forget all: something was changed in this process."""
        with self._lock:
            self._held.clear()
            self._changes += 1


endpoints = _Memory()
for _model in (WebhookEndpoint, Integration):
    post_save.connect(endpoints.clear, sender=_model, dispatch_uid=f"endpoints-{_model.__name__}-saved")
    post_delete.connect(endpoints.clear, sender=_model, dispatch_uid=f"endpoints-{_model.__name__}-deleted")
