"""Forms of uploads and exports."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.files.exporting import Choice
from hub.files.models import Kind
from hub.files.presets import PRESETS
from hub.mapping.expressions import ExpressionError, compile_expression
from hub.sync.models import RecordType


class UploadForm(forms.Form):
    """A file, and what its rows are."""

    type = forms.ModelChoiceField(
        RecordType.objects.none(), label="Its rows are", empty_label="Choose a record type"
    )
    preset = forms.ChoiceField(
        label="It comes from",
        required=False,
        choices=[("", "Any system: by the columns' names"), *((one.key, one.label) for one in PRESETS)],
        help_text=" ".join(one.help for one in PRESETS),
    )
    file = forms.FileField(
        label="File",
        allow_empty_file=True,  # the reader says what is wrong with it
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.ndjson,.jsonl,.xlsx,.gz"}),
        help_text="CSV, NDJSON or Excel (.xlsx), up to 256 MiB; CSV and NDJSON also packed with gzip.",
    )

    def __init__(self, *args: Any, types: QuerySet[RecordType], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose_among(self, "type", types)
        _dress(self)


class ExportForm(forms.Form):
    """Which records, as what."""

    type = forms.ModelChoiceField(
        RecordType.objects.none(), label="Records", empty_label="Choose a record type"
    )
    kind = forms.ChoiceField(label="As", choices=Kind.choices)
    integration = forms.ModelChoiceField(
        Integration.objects.none(),
        required=False,
        label="That this integration has",
        empty_label="All, wherever they are",
    )
    since = forms.DateTimeField(
        required=False,
        label="Changed since",
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    key = forms.CharField(required=False, max_length=200, help_text="One record, by its key.")
    only = forms.CharField(
        required=False,
        max_length=1000,
        label="Only where",
        help_text="JMESPath over key, subject and data: data.country == 'FR'",
    )
    deleted = forms.BooleanField(required=False, label="The deleted ones instead")

    def __init__(
        self,
        *args: Any,
        types: QuerySet[RecordType],
        organizations: QuerySet[Organization],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _choose_among(self, "type", types)
        rows = Integration.objects.filter(organization__in=organizations).listed()
        _choose_among(self, "integration", rows.order_by("name"))
        _dress(self)

    def clean_only(self) -> Any:
        """Compile the expression."""
        text = self.cleaned_data["only"].strip()
        try:
            return compile_expression(text) if text else None
        except ExpressionError as error:
            raise forms.ValidationError(f"This is no JMESPath expression: {error}") from None

    def clean(self) -> dict[str, Any]:
        """Refuse an integration of another organization."""
        cleaned = super().clean() or {}
        chosen, kind = cleaned.get("integration"), cleaned.get("type")
        if chosen and kind and chosen.organization_id != kind.organization_id:
            self.add_error("integration", f"{chosen} belongs to another organization than {kind}.")
        return cleaned

    def choice(self) -> Choice:
        """Return what was chosen; the form is valid."""
        data = self.cleaned_data
        return Choice(
            data["type"], data["deleted"], data["since"], data["integration"], data["key"], data["only"]
        )


def _choose_among(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)  # noqa: S101  # nosec B101 (tells the types apart)
    field.queryset = rows


def _dress(form: forms.Form) -> None:
    for field in form.fields.values():
        if not isinstance(field.widget, forms.CheckboxInput):
            field.widget.attrs |= {"class": "ic-input", "autocomplete": "off"}
