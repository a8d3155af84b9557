"""The guided form that a provider's declaration makes, and the form of an integration's limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django import forms
from django.utils.text import slugify

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.connections.service import save_integration
from integrations.base.auth import AuthScheme
from integrations.base.fields import Field
from integrations.base.provider import Provider

PREFIX = "f_"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Row:
    """One declared field as the template shows it. ``value`` is empty for a secret, always."""

    field: Field
    value: Any
    error: str
    kept: bool

    @property
    def input_type(self) -> str:
        """The type of the ``<input>``; secrets are passwords."""
        if self.field.secret:
            return "password"
        return {"number": "text", "url": "url", "email": "email"}.get(self.field.kind, "text")


@dataclass(slots=True)
class GuidedForm:
    """What was entered for one provider, under one authentication scheme.

    ``values`` go to ``save_integration``; a blank secret of an existing integration keeps the old one.
    """

    provider: Provider
    integration: Integration | None = None
    name: str = ""
    slug: str = ""
    auth_key: str = ""
    sandbox: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(
        cls,
        provider: Provider,
        integration: Integration | None = None,
        organization: Organization | None = None,
    ) -> "GuidedForm":
        """Return the form as it is first shown; the name offered is one that ``organization`` lacks."""
        if integration is None:
            name = free_name(organization, provider.name) if organization else provider.name
            return cls(provider, name=name, auth_key=provider.scheme().key)
        known = {scheme.key for scheme in provider.auth}
        auth_key = integration.auth_key if integration.auth_key in known else provider.scheme().key
        return cls(
            provider,
            integration,
            name=integration.name,
            slug=integration.slug,
            auth_key=auth_key,
            sandbox=integration.sandbox,
            values=dict(integration.settings),
        )

    @classmethod
    def posted(
        cls,
        provider: Provider,
        data: Mapping[str, str],
        organization: Organization | None,
        integration: Integration | None = None,
    ) -> "GuidedForm":
        """Return the form as it was sent; its ``values`` are not checked yet."""
        known = {scheme.key for scheme in provider.auth}
        auth_key = data.get("auth_key", "")
        form = cls(
            provider,
            integration,
            name=data.get("name", "").strip(),
            slug=data.get("slug", "").strip(),
            auth_key=auth_key if auth_key in known else provider.scheme().key,
            sandbox=data.get("sandbox") == "on",
        )
        for declared in provider.fields_for(form.auth_key):
            given = data.get(PREFIX + declared.name, "")
            form.values[declared.name] = given == "on" if declared.kind == "boolean" else given
        form._check_names(organization)
        return form

    def _check_names(self, organization: Organization | None) -> None:
        if not self.name:
            self.errors["name"] = "Give it a name, so that it can be told from others of its kind."
        if organization is None:
            self.errors["organization"] = "Choose the organization that it belongs to."
            return
        if not self.slug:
            self.slug = free_slug(organization, self.name or self.provider.slug)
        elif not re.fullmatch(r"[-a-z0-9_]{1,60}", self.slug):
            self.errors["slug"] = "Lower-case letters, digits and hyphens only, for example billing-eu."
        elif _taken(organization, self.slug, self.integration):
            self.errors["slug"] = f"“{self.slug}” is taken by another integration; choose another short name."

    def save(self, organization: Organization, row: Integration | None = None) -> Integration:
        """Save what was entered, into ``row`` where there is one; raise FieldErrors."""
        return save_integration(
            organization,
            self.provider.slug,
            name=self.name,
            slug=self.slug,
            auth_key=self.auth_key,
            values=self.values,
            sandbox=self.sandbox,
            integration=row,
        )

    def groups(self) -> list[dict[str, Any]]:
        """Return the schemes with their fields; one of them is the chosen one."""
        return [
            {"scheme": scheme, "rows": self._rows(scheme.fields), "oauth": is_sign_in(scheme)}
            for scheme in self.provider.auth
        ]

    def common(self) -> list[Row]:
        """Return the fields that every scheme has."""
        return self._rows(self.provider.fields)

    def _rows(self, fields: tuple[Field, ...]) -> list[Row]:
        rows = []
        for declared in fields:
            value = self.values.get(declared.name)
            if value in (None, "") and self.integration is None and not declared.secret:
                value = declared.default if declared.default is not None else ""
            if declared.secret:
                value = ""
            if isinstance(value, list | tuple):
                value = "\n".join(map(str, value))
            kept = declared.secret and self.integration is not None
            rows.append(Row(declared, value, self.errors.get(declared.name, ""), kept))
        return rows


class Durations(forms.CharField):
    """A list of waits as people write them: ``5m, 15m, 1h, 1d``; kept in seconds."""

    def prepare_value(self, value: Any) -> Any:
        """Show seconds in the largest unit that fits."""
        return ", ".join(map(_short, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the seconds; raise ValidationError naming the part that is no duration."""
        seconds = []
        for part in re.split(r"[,\s]+", str(value or "").strip()):
            if not part:
                continue
            match = re.fullmatch(r"(\d{1,7})([smhd]?)", part.lower())
            if match is None:
                raise forms.ValidationError(f"“{part}” is no duration; write 30s, 5m, 2h or 1d.")
            seconds.append(int(match[1]) * _UNITS[match[2] or "s"])
        return seconds

    def has_changed(self, initial: Any, data: Any) -> bool:
        return True


class Lines(forms.CharField):
    """One entry per line, kept as a list."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class LimitsForm(forms.ModelForm):
    """The limits of one integration; what is left empty follows the provider's declaration."""

    schedule = Durations(
        label="Waits between later tries",
        required=False,
        help_text="After the quick tries. An item that used them all has failed.",
    )
    allowed_hosts = Lines(
        label="Allowed private hosts",
        required=False,
        help_text="Hosts on private networks that it may reach, one a line, as host or host:port.",
    )

    class Meta:
        model = Integration
        fields = (
            "rate_count",
            "rate_seconds",
            "max_in_flight",
            "batch_size",
            "timeout",
            "quick_tries",
            "quick_delay",
            "schedule",
            "breaker_threshold",
            "breaker_cooldown",
            "allowed_hosts",
        )
        help_texts = {
            "max_in_flight": "Over all workers together, as the rate above. A sync has as many of its own."
        }
        labels = {
            "rate_count": "Requests",
            "rate_seconds": "Per seconds",
            "max_in_flight": "Deliveries at the same time",
            "batch_size": "Items claimed at once",
            "timeout": "Longest wait for an answer",
            "quick_tries": "Quick tries",
            "breaker_cooldown": "Wait while it is open",
        }

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        # Without a row Django would show no defaults in the fields that are declared here.
        kwargs.setdefault("instance", Integration())
        super().__init__(*args, **kwargs)
        limit = provider.rate_limit
        hints = {
            "rate_count": limit.count,
            "rate_seconds": limit.seconds,
            "max_in_flight": provider.max_in_flight,
            "timeout": provider.timeout,
        }
        for name, bound in self.fields.items():
            bound.widget.attrs |= {"class": "ic-input"}
            if name in hints:
                bound.widget.attrs["placeholder"] = f"{hints[name]:g}"
        self.fields["allowed_hosts"].widget.attrs["rows"] = 2

    def apply(self, integration: Integration) -> None:
        """Write the limits to ``integration`` and save them."""
        for name in self.Meta.fields:
            setattr(integration, name, self.cleaned_data[name])
        integration.save(update_fields=[*self.Meta.fields, "updated_at"])


def is_sign_in(scheme: AuthScheme) -> bool:
    """Whether the admin signs in at the provider (OAuth 2.0 authorization code)."""
    return scheme.token is not None and scheme.token.grant == "code"


def free_name(organization: Organization, name: str) -> str:
    """Return ``name``, numbered where an integration has it: two alike cannot be told apart."""
    used = set(organization.integrations.filter(name__startswith=name).values_list("name", flat=True))
    numbered = (f"{name} {number}" for number in count(2))
    return name if name not in used else next(each for each in numbered if each not in used)


def free_slug(organization: Organization, name: str) -> str:
    """Return a short name that no other integration of the organization has."""
    base = slugify(name)[:50] or "integration"
    slug, number = base, 1
    while _taken(organization, slug, None):
        number += 1
        slug = f"{base}-{number}"
    return slug


def _taken(organization: Organization, slug: str, but: Integration | None) -> bool:
    rows = Integration.objects.filter(organization=organization, slug=slug)
    return rows.exclude(pk=but.pk).exists() if but else rows.exists()


def _short(seconds: int) -> str:
    for unit, size in sorted(_UNITS.items(), key=lambda pair: -pair[1]):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
