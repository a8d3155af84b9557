"""Forms of events and event types."""

import json
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from hub.accounts.quotas import QuotaExceeded
from hub.events.drafts import Draft, IntakeError
from hub.events.intake import Accepted, accept_event
from hub.events.models import Event, EventType
from hub.events.schemas import data_reasons, schema_problems
from hub.lib.typed import TypedJSONField

SAMPLE = {"id": "1001", "email": "ann@example.com", "total": "12.50", "currency": "EUR"}


class PrettyJSON(TypedJSONField):
    """JSON over several lines."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 14, "class": "ic-mono", "spellcheck": "false"})

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
    payload = PrettyJSON(label="Data", widget=forms.Textarea(attrs={"rows": 12}), initial=SAMPLE)

    def __init__(self, *args: Any, organizations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organization"] = forms.ModelChoiceField(organizations, empty_label=None)
        self.order_fields(self.field_order)
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
        except QuotaExceeded as error:
            self.add_error(None, str(error))
            return None


class EventTypeForm(forms.ModelForm):
    """A registered type; its schema is checked, and its example against the schema."""

    schema = PrettyJSON(
        required=False,
        label="JSON Schema",
        help_text="Of the event's data, JSON Schema 2020-12. Empty: anything goes.",
    )
    example = PrettyJSON(
        required=False,
        help_text="Data as it comes: offered where somebody sends a test event or tries a mapping.",
    )

    class Meta:
        model = EventType
        fields = ("organization", "name", "description", "on_invalid", "schema", "example")
        labels = {"on_invalid": "Data that does not fit"}
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

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


def example_of(organizations: Any, chosen: str) -> dict[str, Any]:
    """Return the form's first values for ``chosen``: an event's id, or a registered type with an example."""
    try:
        event = Event.objects.filter(organization__in=organizations, pk=UUID(chosen)).first()
    except ValueError:
        known = EventType.objects.filter(organization__in=organizations, name=chosen)
        kind = known.exclude(example=None).first()
        return {"type": kind.name, "payload": kind.example} if kind else {}
    return {"type": event.type, "subject": event.subject, "payload": event.data} if event else {}


def types_with_example(organizations: Any) -> list[str]:
    """Return the names of registered types that bring an example."""
    rows = EventType.objects.filter(organization__in=organizations, example__isnull=False)
    return list(dict.fromkeys(rows.order_by("name").values_list("name", flat=True)[:30]))


def known_types(organizations: Any) -> list[str]:
    """Return types to offer: registered ones and those of the newest events."""
    registered = EventType.objects.filter(organization__in=organizations).values_list("name", flat=True)
    recent = (
        Event.objects.filter(organization__in=organizations).order_by("-id").values_list("type", flat=True)
    )
    return sorted({*registered[:200], *recent[:100]})
