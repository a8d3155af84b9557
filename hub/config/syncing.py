"""Applies the parts of a document about records: their types, and the syncs. The admin's forms check them."""

from typing import Any

from django import forms

from hub.config.document import RecordTypeEntry, SyncEntry
from hub.config.work import Work, merged
from hub.sync.forms import RecordTypeForm, SyncForm
from hub.sync.models import RecordType, Sync

_PLAIN = (
    *("direction", "action", "enabled", "time_zone", "delete_policy", "delete_action", "id_path"),
    *("deleted_path", "modified_path", "wins", "field_wins", "take_deletions", "on_webhook"),
)


def record_type_snapshot(row: RecordType) -> dict[str, Any]:
    """A record type."""
    return {
        "name": row.name,
        "label": row.label,
        "key_field": row.key_field,
        "subject_field": row.subject_field,
        "schema": row.schema,
    }


def sync_snapshot(row: Sync) -> dict[str, Any]:
    """A sync, without what it remembers."""
    return {
        "slug": row.slug,
        "name": row.name,
        "type": row.type.name,
        "integration": row.integration.slug,
        "mapping": row.mapping.slug if row.mapping else None,
        "delete_mapping": row.delete_mapping.slug if row.delete_mapping else None,
        "schedule": row.cron,
        **{name: getattr(row, name) for name in _PLAIN},
    }


def apply_record_type(work: Work, index: int, entry: RecordTypeEntry) -> None:
    """Make or change one record type."""
    row = work.organization.record_types.filter(name=entry.name).first()
    before = record_type_snapshot(row) if row else None
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True, by_alias=True))
    if before == wanted:
        return
    row = row or RecordType(organization=work.organization, name=entry.name)
    if _save(work, ("record_types", index), RecordTypeForm, row, wanted):
        work.report.note("record type", entry.name, before, record_type_snapshot(row))


def apply_sync(work: Work, index: int, entry: SyncEntry) -> None:
    """Make or change one sync."""
    at = ("syncs", index)
    row = work.organization.syncs.select_related("type", "integration").filter(slug=entry.slug).first()
    before = sync_snapshot(row) if row else None
    wanted = merged(before, entry.model_dump(mode="json", exclude_unset=True))
    known: dict[str, Any] = {
        "type": ("record type", work.organization.record_types, "name"),
        "mapping": ("mapping", work.organization.mappings, "slug"),
        "delete_mapping": ("mapping", work.organization.mappings, "slug"),
    }
    values = {**wanted, "cron": wanted.get("schedule", ""), "name": wanted.get("name") or entry.slug}
    for name, (what, rows, key) in known.items():
        given = wanted.get(name)
        if given and work.one_of(what, given, rows.values_list(key, flat=True), *at, name):
            values[name] = rows.get(**{key: given}).pk
    if slug := wanted.get("integration"):
        values["integration"] = (integration := work.integration(slug, *at, "integration")) and integration.pk
    if work.mistakes or before == wanted or _refers_to_failed(work, wanted):
        return
    row = row or Sync(organization=work.organization, slug=entry.slug)
    if _save(work, at, SyncForm, row, values):
        work.report.note("sync", entry.slug, before, sync_snapshot(row))


def _refers_to_failed(work: Work, wanted: dict[str, Any]) -> bool:
    named = (("record type", wanted.get("type")), ("integration", wanted.get("integration")))
    return any(one in work.failed for one in (*named, ("mapping", wanted.get("mapping"))))


def _save(
    work: Work, at: tuple[str | int, ...], kind: type[forms.ModelForm], row: Any, wanted: dict[str, Any]
) -> bool:
    """Let the form check and save; what the file does not say is as it was, or the model's default."""
    fields = kind.base_fields
    data = {name: getattr(row, f"{name}_id", None) or getattr(row, name, None) for name in fields}
    data |= {name: value for name, value in wanted.items() if name in fields and value is not None}
    for name in ("schema", "field_wins"):
        if name in fields:
            data[name] = forms.JSONField().prepare_value(data.get(name) or {})
    form = kind({**data, "organization": work.organization.pk}, instance=row)
    if form.is_valid():
        form.save()
        return True
    for name, texts in form.errors.items():
        place = "schedule" if name == "cron" else name
        steps = () if name == "__all__" else (place,)
        work.wrong("; ".join(str(text) for text in texts), *at, *steps)
    return False
