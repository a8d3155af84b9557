"""Forms of record types and syncs."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from hub.events.forms import PrettyJSON
from hub.events.schemas import schema_problems
from hub.mapping.expressions import ExpressionError, compile_expression
from hub.sync.calendar import ScheduleError, next_time
from hub.sync.models import DeletePolicy, Direction, RecordType, Sync, Winner
from hub.sync.starting import plan
from integrations.base import registry
from integrations.base.provider import Provider

#: What a sync's fields are called where the model's own name says too little.
LABELS = {
    "type": "Records",
    "delete_policy": "What happens there",
    "delete_action": "By this action",
    "delete_mapping": "Through this mapping",
    "wins": "Where both changed",
    "field_wins": "By field",
    "take_deletions": "Delete here what was deleted there",
    "id_path": "Id of a row",
    "deleted_path": "A row was deleted if",
    "modified_path": "A row was changed at",
}


class RecordTypeForm(forms.ModelForm):
    """A record type; its schema is checked."""

    schema = PrettyJSON(
        required=False, label="JSON Schema", help_text=RecordType._meta.get_field("schema").help_text
    )

    class Meta:
        model = RecordType
        fields = ("organization", "name", "label", "key_field", "subject_field", "schema")

    def clean_schema(self) -> Any:
        """Refuse what is no JSON Schema."""
        schema = self.cleaned_data["schema"] or {}
        if schema and (problems := schema_problems(schema)):
            raise forms.ValidationError(problems)
        return schema


class SyncForm(forms.ModelForm):
    """A sync: whether integration, action, mappings and schedule fit together."""

    action = forms.CharField(max_length=80)
    delete_action = forms.CharField(max_length=80, required=False)

    class Meta:
        model = Sync
        fields = (
            *("organization", "name", "slug", "enabled", "type", "integration", "direction", "action"),
            *("mapping", "cron", "time_zone", "delete_policy", "delete_action", "delete_mapping"),
            *(
                "id_path",
                "deleted_path",
                "modified_path",
                "wins",
                "field_wins",
                "take_deletions",
                "on_webhook",
            ),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["action"] = forms.ChoiceField(
            label="Action or pull",
            choices=[("", "Choose what it sends or reads"), *_groups(pulls=True)],
            widget=UnfoldAdminSelectWidget,
            help_text="A push does an action for each changed record; a pull reads a list.",
        )
        self.fields["delete_action"] = forms.ChoiceField(
            choices=[("", "None"), *_groups(pulls=False)],
            widget=UnfoldAdminSelectWidget,
            required=False,
            help_text="Push, unless deleted records are kept there: done for each record deleted here.",
        )

        for name, label in LABELS.items():
            self.fields[name].label = label
        self.fields["field_wins"].widget.attrs["rows"] = 3
        self.fields["time_zone"].help_text = "The schedule follows the clock of this place: Europe/Berlin."
        for name, offered in (("cron", "schedules"), ("time_zone", "zones")):
            self.fields[name].widget.attrs |= {"data-offer": offered, "autocomplete": "off"}
        if self.instance._state.adding:
            self.fields["time_zone"].initial = timezone.get_current_timezone_name()

    def clean(self) -> dict[str, Any]:
        """Tell everything that does not fit; then plan the next run."""
        cleaned = super().clean() or {}
        self._check_owner(cleaned)
        self._check_actions(cleaned)
        self._check_paths(cleaned)
        _check_schedule(self, cleaned)
        return cleaned

    def clean_field_wins(self) -> dict[str, str]:
        """Refuse what says no side for a field."""
        given = self.cleaned_data["field_wins"] or {}
        if not isinstance(given, dict):
            raise forms.ValidationError('Write an object: {"email": "hub", "phone": "newest"}.')
        if wrong := [name for name, side in given.items() if side not in Winner.values]:
            raise forms.ValidationError(f"For {', '.join(wrong)} say one of: {', '.join(Winner.values)}.")
        return given

    def save(self, commit: bool = True) -> Sync:
        """Keep it, with the time of its next run."""
        plan(self.instance)
        return super().save(commit)

    def _check_owner(self, cleaned: dict[str, Any]) -> None:
        owner = cleaned.get("organization")
        for name in ("integration", "type", "mapping", "delete_mapping"):
            chosen = cleaned.get(name)
            if chosen is not None and owner is not None and chosen.organization_id != owner.pk:
                self.add_error(name, f"{chosen} belongs to another organization.")

    def _check_actions(self, cleaned: dict[str, Any]) -> None:
        integration, direction = cleaned.get("integration"), cleaned.get("direction")
        provider = registry.providers().get(integration.provider_slug) if integration else None
        if provider is None:
            return
        actions = {action.name for action in provider.actions}
        reads = {pull.name for pull in provider.pulls}
        wanted = cleaned.get("action")
        if wanted and wanted not in (reads if direction == Direction.PULL else actions):
            way = "read" if direction == Direction.PULL else "do"
            self.add_error("action", f"{integration} cannot {way} this; choose one of {provider.name}'s own.")
        deletes = direction == Direction.PUSH and cleaned.get("delete_policy") != DeletePolicy.KEEP
        if deletes and cleaned.get("delete_action") not in actions:
            self.add_error("delete_action", f"Choose what {provider.name} does with a deleted record.")

    def _check_paths(self, cleaned: dict[str, Any]) -> None:
        for name in ("id_path", "deleted_path", "modified_path"):
            try:
                if cleaned.get(name):
                    compile_expression(cleaned[name])
            except ExpressionError as error:
                self.add_error(name, f"This is no JMESPath expression: {error}")


class ScheduleForm(forms.ModelForm):
    """Only when a sync runs, for the integration's own page."""

    class Meta:
        model = Sync
        fields = ("cron", "time_zone")

    def clean(self) -> dict[str, Any]:
        """Tell what is no schedule."""
        cleaned = super().clean() or {}
        _check_schedule(self, cleaned)
        return cleaned

    def save(self, commit: bool = True) -> Sync:
        """Keep it, with the time of its next run."""
        plan(self.instance)
        if commit:
            self.instance.save(update_fields=["cron", "time_zone", "next_run_at"])
        return self.instance


def _check_schedule(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:
    if not cleaned.get("cron"):
        return
    try:
        next_time(cleaned["cron"], cleaned.get("time_zone") or "UTC", timezone.now())
    except ScheduleError as error:
        form.add_error("time_zone" if "time zone" in str(error) else "cron", str(error))


def _groups(*, pulls: bool) -> list[tuple[str, list[tuple[str, str]]]]:
    groups = [(provider.name, _entries(provider, pulls)) for provider in registry.providers().values()]
    return [group for group in groups if group[1]]


def _entries(provider: Provider, pulls: bool) -> list[tuple[str, str]]:
    sends = [(action.name, f"{action.label} ({action.name})") for action in provider.actions]
    reads = [(pull.name, f"Read: {pull.label} ({pull.name})") for pull in provider.pulls]
    return [*sends, *reads] if pulls else sends
