"""Forms of events, event types and routes."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from hub.connections.models import Integration
from hub.events.drafts import Draft, IntakeError
from hub.events.intake import Accepted, accept_event
from hub.events.models import Event, EventType, Route, RouteFallback
from hub.events.routing import filter_problem, pattern_problem
from hub.events.schemas import data_reasons, schema_problems
from integrations.base.registry import providers

SAMPLE = {"id": "1001", "email": "ann@example.com", "total": "12.50", "currency": "EUR"}


class PrettyJSON(forms.JSONField):
    """JSON over several lines."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """Indent what is shown, keep what was typed."""
        if isinstance(value, str) or value is None:
            return value
        return json.dumps(value, indent=2, ensure_ascii=False)


class TestEventForm(forms.Form):
    """An event sent by hand."""

    field_order = ("organization",)
    type = forms.CharField(max_length=200, initial="order.paid")
    subject = forms.CharField(max_length=200, required=False)
    payload = forms.JSONField(label="Data", widget=forms.Textarea(attrs={"rows": 12}))

    def __init__(self, *args: Any, organizations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organization"] = forms.ModelChoiceField(organizations, empty_label=None)
        self.order_fields(self.field_order)
        self.fields["payload"].initial = SAMPLE
        # An empty object is data too.
        self.fields["payload"].empty_values = [None, ""]
        for bound in self.fields.values():
            bound.widget.attrs |= {"class": "ic-input", "spellcheck": "false", "autocomplete": "off"}
        self.fields["type"].widget.attrs["list"] = "types"

    def send(self) -> Accepted | None:
        """Accept the event; None with errors on the form where intake refuses it."""
        data = self.cleaned_data
        draft = Draft(type=data["type"], data=data["payload"], subject=data["subject"], source="admin")
        try:
            return accept_event(data["organization"], draft, origin="admin")
        except IntakeError as error:
            for problem in error.problems:
                self.add_error(problem.field if problem.field in self.fields else "payload", problem.message)
            return None


class EventTypeForm(forms.ModelForm):
    """A registered type; its schema is checked, and its example against the schema."""

    schema = PrettyJSON(
        required=False,
        label="JSON Schema",
        help_text="Of the event's data, JSON Schema 2020-12. Empty: anything goes.",
    )
    example = PrettyJSON(required=False, help_text="Shown to people who send this type, and in previews.")

    class Meta:
        model = EventType
        fields = ("organization", "name", "description", "on_invalid", "schema", "example")

    def clean_schema(self) -> Any:
        """Refuse a schema that cannot be used."""
        schema = self.cleaned_data["schema"]
        if schema is not None and (problems := schema_problems(schema)):
            raise ValidationError(problems)
        return schema

    def clean(self) -> dict[str, Any]:
        """Hold the example against the schema."""
        cleaned = super().clean() or {}
        schema, example = cleaned.get("schema"), cleaned.get("example")
        if schema is not None and example is not None and (reasons := data_reasons(schema, example)):
            self.add_error("example", ["The example does not fit the schema.", *reasons])
        return cleaned


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
    """A route."""

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
    return {
        str(row.pk): [
            [action.name, f"{action.label} ({action.name})"] for action in known[row.provider_slug].actions
        ]
        for row in integrations
        if row.provider_slug in known
    }


def _action_groups() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (provider.name, [(action.name, f"{action.label} ({action.name})") for action in provider.actions])
        for provider in providers().values()
        if provider.actions
    ]


def known_types(organizations: Any) -> list[str]:
    """Return types to offer: registered ones and those of the newest events."""
    registered = EventType.objects.filter(organization__in=organizations).values_list("name", flat=True)
    recent = (
        Event.objects.filter(organization__in=organizations).order_by("-id").values_list("type", flat=True)
    )
    return sorted({*registered[:200], *recent[:100]})
