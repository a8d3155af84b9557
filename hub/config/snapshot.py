"""What the database holds, in the form of the document: for comparing, and for export.

No function here returns a secret: of credentials only the names of the fields that are set.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hub.accounts.models import Organization
from hub.config.document import SECTIONS, Limits
from hub.config.syncing import record_type_snapshot, sync_snapshot
from hub.connections.models import Credential, Integration
from hub.delivery.models import Priority
from hub.events.models import EventType, Route
from hub.mapping.models import FieldMapping
from webhooks.models import WebhookEndpoint

#: What the snapshots of several routes need of all of them.
FALLBACKS = ("fallbacks__integration", "fallbacks__mapping")
LIMITS = tuple(Limits.model_fields)


def integration_snapshot(row: Integration) -> dict[str, Any]:
    """An integration without its secrets."""
    return {
        "slug": row.slug,
        "provider": row.provider_slug,
        "name": row.name,
        "auth": row.auth_key,
        "sandbox": row.sandbox,
        "settings": dict(row.settings),
        "allowed_hosts": list(row.allowed_hosts),
        "limits": {name: getattr(row, name) for name in LIMITS},
    }


def default_limit(name: str) -> Any:
    """The value of a limit that nobody set."""
    column: Any = Integration._meta.get_field(name)
    return column.get_default()


def mapping_snapshot(row: FieldMapping) -> dict[str, Any]:
    """A field mapping."""
    return {
        "slug": row.slug,
        "name": row.name,
        "provider": row.provider_slug,
        "action": row.action,
        "rules": row.rules,
    }


def event_type_snapshot(row: EventType) -> dict[str, Any]:
    """A registered event type."""
    return {
        "name": row.name,
        "description": row.description,
        "on_invalid": row.on_invalid,
        "schema": row.schema,
        "example": row.example,
    }


def route_snapshot(row: Route) -> dict[str, Any]:
    """A route with its fallbacks."""
    return {
        "slug": row.slug,
        "name": row.name,
        "events": row.type_pattern,
        "filter": row.filter,
        "integration": row.integration.slug,
        "action": row.action,
        "mapping": row.mapping.slug if row.mapping else None,
        "priority": Priority(row.priority).name.lower(),
        "purpose": row.purpose,
        "ordered": row.ordered,
        "delay": row.delay,
        "enabled": row.enabled,
        "fallbacks": [
            {
                "integration": fallback.integration.slug,
                "action": fallback.action,
                "mapping": fallback.mapping.slug if fallback.mapping else None,
            }
            for fallback in sorted(row.fallbacks.all(), key=lambda each: each.position)
        ],
    }


def endpoint_snapshot(row: WebhookEndpoint) -> dict[str, Any]:
    """A webhook endpoint without its token and secrets."""
    return {
        "slug": row.slug,
        "name": row.name,
        "integration": row.integration.slug,
        "enabled": row.enabled,
        "rate_per_minute": row.rate_per_minute,
    }


def stored_secrets(integration: Integration) -> dict[str, str]:
    """The secrets of an integration; for comparing only, never for output."""
    if "credential" in integration._state.fields_cache:  # read for a whole list at once
        credential: Credential | None = getattr(integration, "credential", None)
    else:
        credential = Credential.objects.filter(integration=integration).first()
    return dict(credential.secrets or {}) if credential else {}


def stored_keys(endpoint: WebhookEndpoint) -> dict[str, str]:
    """The signing secrets of an endpoint; for comparing only, never for output."""
    return dict((endpoint.keys or {}).get("current") or {})


def export(organization: Organization) -> dict[str, Any]:
    """Return the document of ``organization``, ready for ``apply``; secrets are named, never held."""
    rows: dict[str, tuple[Any, Callable[[Any], dict[str, Any]]]] = {
        "integrations": (
            organization.integrations.listed().prefetch_related("credential").order_by("slug"),
            _export_integration,
        ),
        "mappings": (organization.mappings.order_by("slug"), mapping_snapshot),
        "event_types": (organization.event_types.order_by("name"), event_type_snapshot),
        "routes": (
            organization.routes.listed()
            .select_related("integration", "mapping")
            .prefetch_related(*FALLBACKS)
            .order_by("slug"),
            route_snapshot,
        ),
        "webhook_endpoints": (
            organization.webhook_endpoints.select_related("integration").order_by("slug"),
            _export_endpoint,
        ),
        "record_types": (organization.record_types.order_by("name"), record_type_snapshot),
        "syncs": (
            organization.syncs.select_related("type", "integration", "mapping", "delete_mapping").order_by(
                "slug"
            ),
            sync_snapshot,
        ),
    }
    document: dict[str, Any] = {"organization": {"slug": organization.slug, "name": organization.name}}
    for section in SECTIONS:
        found, snapshot = rows[section]
        if entries := [_without_empty(snapshot(row)) for row in found]:
            document[section] = entries
    return document


def _export_integration(row: Integration) -> dict[str, Any]:
    entry = integration_snapshot(row)
    defaults = {name: default_limit(name) for name in LIMITS}
    entry["limits"] = {name: value for name, value in entry["limits"].items() if value != defaults[name]}
    entry["credential_env"] = env_names(row.organization, row.slug, stored_secrets(row))
    return entry


def _export_endpoint(row: WebhookEndpoint) -> dict[str, Any]:
    names = env_names(row.organization, f"{row.slug}_webhook", stored_keys(row))
    return {**endpoint_snapshot(row), "credential_env": names}


def env_names(organization: Organization, slug: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Name an environment variable for each secret, so that a reader knows what to set."""
    return {
        field: "_".join((organization.slug, slug, field)).upper().replace("-", "_")
        for field in sorted(secrets)
    }


def _without_empty(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value not in (None, "", [], {})}
