"""Makes calls to endpoints as the providers make them, from their own declarations and fixtures."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.test import Client
from django.utils import timezone

from integrations.base.fixtures import WebhookFixture, webhook_fixtures
from integrations.base.provider import Provider
from integrations.base.registry import get_provider, providers
from integrations.base.samples import sample_values
from integrations.base.webhooks import Webhook
from tests.factories import IntegrationFactory, WebhookEndpointFactory
from webhooks.models import WebhookEndpoint


def declared(slug: str) -> Webhook:
    webhook = get_provider(slug).webhook
    assert webhook is not None
    return webhook


def signing_providers() -> list[Provider]:
    """Providers whose declaration says how a call is signed."""
    return [p for p in providers().values() if p.webhook and (p.webhook.sign or p.webhook.seal)]


def sample_secrets(slug: str) -> dict[str, str]:
    plain, secret = sample_values(declared(slug).fields)
    return {**plain, **secret}


def endpoint_of(slug: str, **fields: Any) -> WebhookEndpoint:
    """An endpoint with the sample secrets of a provider."""
    fields.setdefault("secrets", sample_secrets(slug))
    integration = fields.pop("integration", None) or IntegrationFactory(provider_slug=slug)
    return WebhookEndpointFactory(integration=integration, **fields)


def fixture_of(slug: str, kind: str = "") -> WebhookFixture:
    """A call's body: of one event type, or the first that holds a notice."""
    found = webhook_fixtures(get_provider(slug))
    return next(f for f in found if f.notices and (not kind or kind in f.types))


def signed(
    endpoint: WebhookEndpoint,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    secrets: Mapping[str, str] | None = None,
    query: str = "",
    when: Any = None,
) -> tuple[bytes, dict[str, str]]:
    """Return (body, headers) as the provider would send them to ``endpoint``."""
    webhook = declared(endpoint.integration.provider_slug)
    url = settings.HUB.url + endpoint.path + (f"?{query}" if query else "")
    known = secrets or endpoint.secret_sets()[0]
    when = when or timezone.now()
    if webhook.seal:
        body = webhook.seal(body, known, url, when)
    signature = webhook.sign(body, known, url, when) if webhook.sign else {}
    return body, {**(headers or {}), **signature}


def post(
    endpoint: WebhookEndpoint,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    query: str = "",
    method: str = "POST",
    **extra: Any,
) -> Any:
    """Call the endpoint with exactly these bytes."""
    names = {"content-type": "application/json", **{k.lower(): v for k, v in (headers or {}).items()}}
    kind = names.pop("content-type")
    address = endpoint.path + (f"?{query}" if query else "")
    return Client().generic(method, address, body, content_type=kind, headers=names, **extra)


def call(
    endpoint: WebhookEndpoint, body: bytes, headers: Mapping[str, str] | None = None, **options: Any
) -> Any:
    """Sign and post."""
    query = options.get("query", "")
    body, names = signed(endpoint, body, headers, query=query)
    return post(endpoint, body, names, **options)
