"""Forms of routes and their fallbacks."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget

from hub.connections.models import Integration
from hub.events.models import Route, RouteFallback
from hub.events.routing import filter_problem, pattern_problem
from integrations.base.provider import Provider
from integrations.base.registry import providers

#: Help of the filter, with the place where it is told what pattern and filter take.
CHECK = """
JMESPath over the event; empty takes all: <code>data.total &gt;= `100`</code>,
<code>data.country == 'DE'</code>, <code>contains(data.tags, 'vip')</code>.
<div id="route-check" class="ic-check" aria-live="polite" hx-get="{}"
 hx-include="[name='type_pattern'],[name='filter'],[name='organization'],#id_integration,#id_action"
 hx-trigger="load, input from:#id_type_pattern delay:400ms, input from:#id_filter delay:400ms,
 change from:#id_integration"></div>
"""


class DestinationForm(forms.ModelForm):
    """What a route and a fallback have in common: integration, action and mapping."""

    action = forms.CharField(max_length=80)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["action"] = forms.ChoiceField(
            choices=[("", "Choose an action"), *_action_groups()],
            widget=UnfoldAdminSelectWidget(attrs={"data-actions": "1"}),
            help_text="What the integration shall do with the event.",
        )

    def clean(self) -> dict[str, Any]:
        """Check that the integration has the action and that all belongs to one organization."""
        cleaned = super().clean() or {}
        integration: Integration | None = cleaned.get("integration")
        if integration is None:
            return cleaned
        provider = providers().get(integration.provider_slug)
        known = {action.name for action in provider.actions} if provider else set()
        if cleaned.get("action") and cleaned["action"] not in known:
            self.add_error("action", f"{integration} cannot do this; choose one of its own actions.")
        owner = self._organization_id()
        for name in ("integration", "mapping"):
            chosen = cleaned.get(name)
            if chosen is not None and owner is not None and chosen.organization_id != owner:
                self.add_error(name, f"{chosen} belongs to another organization.")
        return cleaned

    def _organization_id(self) -> int | None:
        organization = self.cleaned_data.get("organization")
        return organization.pk if organization else None


class RouteForm(DestinationForm):
    """A route. What is typed as pattern and filter is tried at once on stored events."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "filter" in self.fields:
            self.fields["filter"].help_text = format_html(CHECK, reverse("admin:events_route_check"))
            self.fields["type_pattern"].widget.attrs["list"] = "types"
        if "mapping" in self.fields:
            self.fields["mapping"].help_text = self._mapping_help()

    def _mapping_help(self) -> str:
        if not self.instance.mapping_id:
            return "How the event becomes the action's input; without one its data is taken as it is."
        address = reverse("admin:mapping_fieldmapping_change", args=[self.instance.mapping_id])
        return format_html('<a class="ic-link" href="{}">See what it makes of real events</a>', address)

    class Meta:
        model = Route
        fields = (
            "organization",
            "name",
            "slug",
            "enabled",
            "type_pattern",
            "filter",
            "integration",
            "action",
            "mapping",
            "priority",
            "delay",
            "ordered",
            "purpose",
        )
        labels = {"type_pattern": "Event types", "delay": "Delay in seconds"}

    def clean_type_pattern(self) -> str:
        """Refuse a pattern that matches nothing."""
        pattern: str = self.cleaned_data["type_pattern"].strip()
        if problem := pattern_problem(pattern):
            raise ValidationError(problem)
        return pattern

    def clean_filter(self) -> str:
        """Refuse a filter that is no JMESPath."""
        text: str = self.cleaned_data["filter"].strip()
        if problem := filter_problem(text):
            raise ValidationError(problem)
        return text


class FallbackForm(DestinationForm):
    """One fallback of a route."""

    class Meta:
        model = RouteFallback
        fields = ("position", "integration", "action", "mapping")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Shown as a table: the head names the column for the eye only.
        for field in self.fields.values():
            widget: Any = getattr(field.widget, "widget", field.widget)
            widget.attrs["aria-label"] = f"Fallback: {field.label or 'action'}"

    def _organization_id(self) -> int | None:
        # A new route is not saved yet; its formset checks the organization instead.
        return None


class FallbackFormSet(PaginationInlineFormSet):
    """The fallbacks of one route; all belong to the route's organization."""

    def clean(self) -> None:
        """Refuse an integration or mapping of another organization."""
        super().clean()
        owner = self.instance.organization_id
        for form in self.forms:
            for name in ("integration", "mapping"):
                chosen = getattr(form, "cleaned_data", {}).get(name)
                if chosen is not None and owner is not None and chosen.organization_id != owner:
                    form.add_error(name, f"{chosen} belongs to another organization.")


def action_map(integrations: Any) -> dict[str, list[list[str]]]:
    """Return the actions of each integration, for the script that narrows the choice."""
    known = providers()
    rows = [(str(row.pk), row.provider_slug) for row in integrations if row.provider_slug in known]
    actions = {
        slug: [list(choice) for choice in _choices(known[slug])] for slug in {slug for _, slug in rows}
    }
    return {pk: actions[slug] for pk, slug in rows}


def _action_groups() -> list[tuple[str, list[tuple[str, str]]]]:
    return [(provider.name, _choices(provider)) for provider in providers().values() if provider.actions]


def _choices(provider: Provider) -> list[tuple[str, str]]:
    return [(action.name, f"{action.label} ({action.name})") for action in provider.actions]
