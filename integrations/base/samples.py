"""A plausible integration of any provider, made of its declared fields: for tests and the demo."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from hub.lib.outbound import Policy, Response
from hub.lib.redaction import Redactor
from integrations.base.auth import Credentials
from integrations.base.fields import Field
from integrations.base.http import Http, Outgoing
from integrations.base.provider import Context, Provider

#: What an OAuth scheme sends where nothing real is reached.
ACCESS_TOKEN = "sample-access-token-0000"  # made up, opens nothing
#: The idempotency key of sample calls.
KEY = "0190f0c0-0000-7000-8000-000000000001"

Transport = Callable[[Outgoing, Policy], Response]


def sample_value(field: Field) -> Any:
    """Return a valid value: the field's sample, default, first choice or example."""
    if field.sample is not None:
        return field.sample()
    if field.default is not None:
        return field.default
    if field.example == "" and field.choices:
        return field.choices[0][0]
    if not field.example:
        return None
    return field.clean(field.example) if field.kind in ("number", "list", "boolean") else field.example


def sample_values(
    fields: Iterable[Field], overrides: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (settings, secrets) for ``fields``; an override of None leaves the field out."""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for field in fields:
        value = (overrides or {}).get(field.name, sample_value(field))
        if value is not None:
            (secrets if field.secret else settings)[field.name] = value
    return settings, secrets


def sample_context(
    provider: Provider,
    transport: Transport,
    *,
    auth: str = "",
    overrides: Mapping[str, Any] | None = None,
    idempotency_key: str = KEY,
    now: datetime | None = None,
) -> Context:
    """Return a context like the one an action gets, whose requests go to ``transport``."""
    scheme = provider.scheme(auth)
    settings, secrets = sample_values(provider.fields_for(auth), overrides)
    credentials = Credentials(settings, secrets, lambda: ACCESS_TOKEN)
    http = Http(
        base_urls=provider.urls(settings),
        authorize=lambda request: scheme.apply(request, credentials),
        classify=provider.classify,
        policy=Policy(),
        redactor=Redactor([*secrets.values(), ACCESS_TOKEN]),
        transport=transport,
        default_headers=provider.headers,
        limit_headers=provider.limit_headers,
    )
    return Context(settings, secrets, http, idempotency_key, now or datetime.now(UTC))
