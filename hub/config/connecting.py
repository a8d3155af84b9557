"""Applies the parts of a document that hold secrets: integrations and webhook endpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

from hub.config.document import EndpointEntry, IntegrationEntry
from hub.config.snapshot import (
    default_limit,
    endpoint_snapshot,
    integration_snapshot,
    stored_keys,
    stored_secrets,
)
from hub.config.work import Work, merged
from hub.connections.models import Integration
from hub.connections.service import save_integration
from integrations.base.auth import AuthScheme
from integrations.base.fields import Field, FieldErrors
from integrations.base.provider import Provider
from integrations.base.registry import get_provider, providers
from integrations.base.samples import sample_values
from webhooks.models import WebhookEndpoint
from webhooks.service import create_endpoint, set_secrets


def apply_integration(work: Work, index: int, entry: IntegrationEntry) -> None:
    """Make or change one integration."""
    at = ("integrations", index)
    existing = work.organization.integrations.filter(slug=entry.slug).first()
    if not _provider_fits(work, at, entry, existing):
        return
    provider = get_provider(entry.provider)
    before = integration_snapshot(existing) if existing else None
    stored = stored_secrets(existing) if existing else {}
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True, exclude={"credential_env"}))
    auth = wanted.get("auth") or usual_scheme(provider, entry.sandbox).key
    if not work.one_of("authentication", auth, (scheme.key for scheme in provider.auth), *at, "auth"):
        return
    fields = provider.fields_for(auth)
    secret_names = [field.name for field in fields if field.secret]
    _check_settings(work, at, entry, fields)
    secrets = work.secrets(entry.credential_env, secret_names, stored, *at)
    settings = _settings_of(fields, before, entry)
    if entry.sandbox and existing is None:
        settings, secrets = _with_samples(fields, settings, secrets)
    changed = tuple(sorted(name for name, value in secrets.items() if stored.get(name) != value))
    wanted |= {"auth": auth, "settings": settings, "name": wanted.get("name") or provider.name}
    if work.mistakes or (before == wanted and not changed):
        return
    try:
        row = _save_integration(work, wanted, secrets, existing)
    except FieldErrors as errors:
        for name, sentence in errors.errors.items():
            section = "credential_env" if name in secret_names else "settings"
            work.wrong(sentence, *at, *((section,) if name in {f.name for f in fields} else ()), name)
        return
    work.report.note("integration", entry.slug, before, integration_snapshot(row), changed)


def usual_scheme(provider: Provider, sandbox: bool) -> AuthScheme:
    """Return the authentication to take where none is named: in the sandbox nobody can sign in."""
    usable = (s for s in provider.auth if not (sandbox and s.token and s.token.grant == "code"))
    return next(usable, provider.auth[0])


def apply_endpoint(work: Work, index: int, entry: EndpointEntry) -> None:
    """Make or change one webhook endpoint."""
    at = ("webhook_endpoints", index)
    known = {row.slug: row for row in work.organization.integrations.all()}
    if not work.one_of("integration", entry.integration, known, *at, "integration"):
        return
    integration = known[entry.integration]
    webhook = integration.provider.webhook
    if webhook is None:
        work.wrong(f"{integration.provider.name} sends no webhooks", *at, "integration")
        return
    existing = work.organization.webhook_endpoints.filter(slug=entry.slug).first()
    before = endpoint_snapshot(existing) if existing else None
    stored = stored_keys(existing) if existing else {}
    secrets = work.secrets(entry.credential_env, [field.name for field in webhook.fields], stored, *at)
    if integration.sandbox and existing is None:
        samples, sample_secrets = sample_values(webhook.fields, secrets)
        secrets = {**{name: str(value) for name, value in samples.items()}, **sample_secrets}
    changed = tuple(sorted(name for name, value in secrets.items() if stored.get(name) != value))
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True, exclude={"credential_env"}))
    if work.mistakes or (before == wanted and not changed):
        return
    try:
        row = _save_endpoint(integration, wanted, secrets, existing)
    except FieldErrors as errors:
        for name, sentence in errors.errors.items():
            work.wrong(sentence, *at, "credential_env", name)
        return
    work.report.note("webhook endpoint", entry.slug, before, endpoint_snapshot(row), changed)


def _provider_fits(
    work: Work, at: tuple[str, int], entry: IntegrationEntry, existing: Integration | None
) -> bool:
    if not work.one_of("provider", entry.provider, providers(), *at, "provider"):
        return False
    if existing is not None and existing.provider_slug != entry.provider:
        work.wrong(
            f"the integration '{entry.slug}' belongs to {existing.provider_slug}; choose another slug",
            *at,
            "provider",
        )
        return False
    return True


def _check_settings(
    work: Work, at: tuple[str, int], entry: IntegrationEntry, fields: Iterable[Field]
) -> None:
    by_name = {field.name: field for field in fields}
    for name in entry.settings:
        field = by_name.get(name)
        if field is not None and field.secret:
            work.wrong(
                f"this is a secret and does not belong in a file: write credential_env: {{{name}: NAME}} "
                "and set that environment variable",
                *(*at, "settings", name),
            )
        else:
            settings = (known for known, declared in by_name.items() if not declared.secret)
            work.one_of("setting", name, settings, *at, "settings", name)


def _settings_of(
    fields: Iterable[Field], before: Mapping[str, Any] | None, entry: IntegrationEntry
) -> dict[str, Any]:
    """Lay the file's settings over the present ones, less those of another way to authenticate."""
    names = {field.name for field in fields}
    kept = {name: value for name, value in (before or {}).get("settings", {}).items() if name in names}
    return {**kept, **entry.settings}


def _with_samples(
    fields: Iterable[Field], settings: dict[str, Any], secrets: dict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Fill in plausible values: in the sandbox nothing real is reached."""
    sampled_settings, sampled_secrets = sample_values(fields)
    return {**sampled_settings, **settings}, {**sampled_secrets, **secrets}


def _save_integration(
    work: Work, wanted: dict[str, Any], secrets: dict[str, str], existing: Integration | None
) -> Integration:
    return save_integration(
        work.organization,
        wanted["provider"],
        name=wanted["name"],
        slug=wanted["slug"],
        auth_key=wanted["auth"],
        values={**wanted["settings"], **secrets},
        sandbox=wanted.get("sandbox", False),
        integration=existing,
        options={"allowed_hosts": wanted.get("allowed_hosts", []), **_limits(wanted.get("limits") or {})},
    )


def _limits(given: dict[str, Any]) -> dict[str, Any]:
    """Put the default in place of each limit that is given as nothing."""
    return {name: default_limit(name) if value is None else value for name, value in given.items()}


def _save_endpoint(
    integration: Integration,
    wanted: dict[str, Any],
    secrets: dict[str, str],
    existing: WebhookEndpoint | None,
) -> WebhookEndpoint:
    name = wanted.get("name") or integration.name
    if existing is None:
        row = create_endpoint(integration, name, secrets, slug=wanted["slug"])
    else:
        row = existing
        row.integration = integration
        set_secrets(row, secrets)
    row.name = name
    row.enabled = wanted.get("enabled", row.enabled)
    row.rate_per_minute = wanted.get("rate_per_minute", row.rate_per_minute)
    row.save()
    return row
