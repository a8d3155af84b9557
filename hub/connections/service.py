"""Saves an integration and its credential: the one way for the form, configuration files and the demo."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.expiry import note_expiry
from hub.connections.models import Credential, Integration, Status
from integrations.base.auth import AuthScheme
from integrations.base.fields import Field, FieldErrors, clean_all
from integrations.base.provider import Provider
from integrations.base.registry import get_provider

#: Columns of an integration that may be saved along with its declared fields.
OPTIONS = frozenset(
    {
        *("allowed_hosts", "rate_count", "rate_seconds", "max_in_flight", "batch_size", "quick_tries"),
        *("quick_delay", "schedule", "timeout", "breaker_threshold", "breaker_cooldown"),
    }
)
_SLUG = re.compile(r"[a-zA-Z0-9_-]{1,60}")


def save_integration(
    organization: Organization,
    provider_slug: str,
    *,
    name: str,
    slug: str,
    auth_key: str,
    values: Mapping[str, Any],
    sandbox: bool = False,
    integration: Integration | None = None,
    options: Mapping[str, Any] | None = None,
) -> Integration:
    """Make or change an integration and its credential in one transaction, and return it.

    ``values`` holds declared settings and secrets by field name; a secret left blank keeps what is
    there. ``options``: columns named in ``OPTIONS``. Raise FieldErrors with a sentence per field.
    """
    provider, scheme = _declared(provider_slug, auth_key, integration)
    fields = provider.fields_for(scheme.key)
    with transaction.atomic():
        credential = _credential(integration)
        kept = dict(credential.secrets or {}) if credential else {}
        settings, secrets = _cleaned(fields, values, kept)
        _check_names(organization, name, slug, integration)
        row = integration or Integration(organization=organization, provider_slug=provider_slug)
        credential = credential or Credential(integration=row)
        if _tokens_are_stale(row, scheme, settings, secrets, kept):
            credential.tokens = None
        row.name, row.slug, row.auth_key = name.strip(), slug, scheme.key
        if row.sandbox != sandbox:
            # The sandbox's account is none to compare a real one with.
            row.account_label = row.account_id = ""
        row.settings, row.sandbox = settings, sandbox
        _apply_options(row, options or {})
        row.save()
        credential.secrets = secrets
        _note_lifetime(credential, scheme, changed=secrets != kept)
        credential.save()
        if secrets != kept and row.status == Status.RECONNECT and (scheme.token is None or credential.tokens):
            row.resume()
    return row


def _note_lifetime(credential: Credential, scheme: AuthScheme, *, changed: bool) -> None:
    """New secrets begin a new life: what an admin entered about the former ones holds no more."""
    if changed:
        credential.entered_expiry = None
        days = timedelta(days=scheme.lifetime_days)
        credential.declared_expiry = timezone.now() + days if days else None
    note_expiry(credential)


def _declared(slug: str, auth_key: str, integration: Integration | None) -> tuple[Provider, AuthScheme]:
    if integration is not None and integration.provider_slug != slug:
        raise FieldErrors({"provider": "An integration keeps its provider; connect a new one instead."})
    try:
        provider = get_provider(slug)
    except KeyError as error:
        raise FieldErrors({"provider": str(error.args[0])}) from None
    try:
        return provider, provider.scheme(auth_key)
    except KeyError as error:
        raise FieldErrors({"auth_key": str(error.args[0])}) from None


def _credential(integration: Integration | None) -> Credential | None:
    if integration is None:
        return None
    return Credential.objects.select_for_update().filter(integration=integration).first()


def _cleaned(
    fields: tuple[Field, ...], values: Mapping[str, Any], kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (settings, secrets); secrets that other schemes of the provider need stay as they are."""
    blank = (None, "")
    entered = dict(values)
    for each in fields:
        if each.secret and entered.get(each.name) in blank and each.name in kept:
            entered[each.name] = kept[each.name]
    cleaned = clean_all(fields, entered)
    secret_names = {each.name for each in fields if each.secret}
    settings = {name: value for name, value in cleaned.items() if name not in secret_names}
    secrets = {name: str(value) for name, value in cleaned.items() if name in secret_names}
    return settings, {**kept, **secrets}


def _check_names(organization: Organization, name: str, slug: str, integration: Integration | None) -> None:
    errors: dict[str, str] = {}
    if not name.strip() or len(name) > 120:
        errors["name"] = "A name of up to 120 characters is needed."
    if not _SLUG.fullmatch(slug):
        errors["slug"] = "The short name may hold letters, digits, hyphens and underscores, up to 60."
    others = Integration.objects.filter(organization=organization, slug=slug)
    if integration is not None:
        others = others.exclude(pk=integration.pk)
    if "slug" not in errors and others.exists():
        errors["slug"] = f"The organization has an integration “{slug}” already."
    if errors:
        raise FieldErrors(errors)


def _tokens_are_stale(
    row: Integration,
    scheme: AuthScheme,
    settings: dict[str, Any],
    secrets: dict[str, str],
    kept: dict[str, str],
) -> bool:
    """Whether tokens that are kept belong to another sign-in than the one now described."""
    if scheme.token is None or row.auth_key != scheme.key:
        return True
    if scheme.token.grant == "code":
        names = ("client_id", "client_secret")
        before, after = {**row.settings, **kept}, {**settings, **secrets}
        return any(before.get(each) != after.get(each) for each in names)
    return bool(row.settings != settings or secrets != kept)


def _apply_options(row: Integration, options: Mapping[str, Any]) -> None:
    unknown = set(options) - OPTIONS
    if unknown:
        raise FieldErrors({each: f"There is no option {each}." for each in unknown})
    for each, value in options.items():
        setattr(row, each, value)
