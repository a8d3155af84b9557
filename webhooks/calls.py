"""A call as the providers' declarations see it: made from a request, or from the row kept of it."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from hub.connections.models import Integration
from integrations.base.webhooks import Incoming
from webhooks.models import ReceivedWebhook

MASK = "•••"
#: Headers whose values prove somebody else's identity; they are used, but never kept.
SENSITIVE = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})
#: A shorter value is no secret worth the name, and would be masked all over the place.
SHORTEST_SECRET = 6
QUERY_LENGTH = ReceivedWebhook._meta.get_field("query").max_length or 2000

Fetch = Callable[[str], bytes]


def incoming_from_request(
    request: HttpRequest, body: bytes, integration: Integration, fetch: Fetch
) -> Incoming:
    """Return the call as it came. Its URL is the configured public one, never the Host header."""
    query = request.META.get("QUERY_STRING", "")
    return Incoming(
        method=request.method or "POST",
        url=settings.HUB.url + request.path_info + (f"?{query}" if query else ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        received_at=timezone.now(),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        settings=integration.settings,
        fetch=fetch,
    )


def incoming_from_row(received: ReceivedWebhook, fetch: Fetch) -> Incoming:
    """Return the call as it was kept: the raw bytes, and the headers without what was masked."""
    endpoint = received.endpoint
    return Incoming(
        method=received.method,
        url=settings.HUB.url + endpoint.path + (f"?{received.query}" if received.query else ""),
        headers=received.headers,
        body=bytes(received.body),
        received_at=received.received_at,
        query=dict(parse_qsl(received.query, keep_blank_values=True)),
        settings=endpoint.integration.settings,
        fetch=fetch,
    )


def keepable_headers(headers: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """Return the headers as they may be kept: credentials and the endpoint's own secrets masked."""
    hidden = list(secrets)
    return {
        name: MASK if name in SENSITIVE else without_secrets(value, hidden) for name, value in headers.items()
    }


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with every secret masked, and without the NULs that PostgreSQL does not take."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text.replace("\x00", "")
