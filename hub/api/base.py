"""What every view of the API has in common."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from hub.accounts.models import APIKey, Organization
from hub.connections.models import Integration
from hub.lib.throttle import take


class KeyThrottle(BaseThrottle):
    """So many calls a minute per API key; 0 in the settings lifts the limit."""

    def __init__(self) -> None:
        self._wait = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the call; whether it may go on."""
        if isinstance(request.auth, APIKey):
            self._wait = count_call(request.auth)
        return not self._wait

    def wait(self) -> float:
        """Seconds until the next call is taken."""
        return self._wait


class HubView(APIView):
    """A view that an organization's application calls; it sees that organization only."""

    http_method_names = ["get", "head", "post"]
    throttle_classes = [KeyThrottle]
    required_scope: Any = ""

    @property
    def organization(self) -> Organization:
        """The caller's organization."""
        return self.request.user.organization  # type: ignore[union-attr]

    def integration(self, named: str) -> Integration:
        """Return the integration with this slug or id; raise NotFound, also for another tenant's."""
        wanted = Q(slug=named)
        if (identifier := as_uuid(named)) is not None:
            wanted |= Q(pk=identifier)
        found = Integration.objects.select_related("organization").filter(
            wanted, organization=self.organization
        )
        # A slug may look like another integration's id; the slug is what an admin chose.
        rows = sorted(found, key=lambda row: row.slug != named)
        if not rows:
            raise NotFound(f"There is no integration {named!r} in this organization.")
        return rows[0]


def count_call(key: APIKey) -> int:
    """Count one call with ``key``; return 0, or the seconds until the next one is taken."""
    limit = settings.HUB.api_rate_per_minute
    return take("api", limit, str(key.pk)) if limit else 0


def as_uuid(text: str) -> UUID | None:
    """Return the UUID that ``text`` is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None
