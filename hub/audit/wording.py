"""What the audit log keeps, as people read it: names for ids, words for values, times in their own zone."""

import json
from datetime import UTC
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import BooleanField, DateTimeField, ForeignKey
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.dateparse import parse_datetime

from hub.audit.models import Entry
from hub.audit.watched import MASKED
from hub.lib.html import pretty

#: What is noted of secrets is the part's own name; where that is no word of ours, this is.
_PARTS = {
    ("webhookendpoint", "token"): "Address",
    ("webhookendpoint", "current"): "Secrets",
    ("webhookendpoint", "previous"): "Former secrets",
    ("webhookendpoint", "previous_until"): "Former secrets accepted until",
}


def subject(row: Entry) -> str:
    """Return what was changed: its kind and its name, or the name alone where that says the kind."""
    kind, name = str(row.content_type.name), row.object_repr
    kind = kind[:1].upper() + kind[1:]
    return name if f"{name} ".lower().startswith(f"{kind} ".lower()) else f"{kind} {name}"


def field_name(row: Entry, name: str) -> str:
    """Return a field's name as forms show it; of a field that is gone, its own."""
    field = _field(row, name)
    words = str(field.verbose_name) if field is not None else name.replace("_", " ")
    words = _PARTS.get((row.content_type.model, name), words)
    return words[:1].upper() + words[1:]


def shown(row: Entry, name: str, value: Any) -> str:
    """Return one side of a change; nothing for nothing."""
    if value in (None, "None", "", "null", "{}", "[]"):
        return ""
    text, field = str(value), _field(row, name)
    if field is None or text == MASKED:
        return _plain(value)
    if isinstance(field, DateTimeField):
        return _moment(text)
    if isinstance(field, BooleanField):
        return {"True": "yes", "False": "no"}.get(text, text)
    if isinstance(field, ForeignKey):
        return _named(field, text)
    words = {str(known): str(label) for known, label in field.flatchoices}
    return words.get(text) or _plain(value)


def _field(row: Entry, name: str) -> Any:
    try:
        return row.content_type.model_class()._meta.get_field(name)
    except (AttributeError, FieldDoesNotExist):
        return None


def _plain(value: Any) -> str:
    text = str(value)
    return pretty(text) if text[:1] in "[{" else text if isinstance(value, str) else json.dumps(value)


def _moment(text: str) -> str:
    """Return a time, which is kept in UTC without saying so, by the clock of whoever looks."""
    try:
        kept = parse_datetime(text)
    except ValueError:
        kept = None
    if kept is None:
        return text
    aware = kept if timezone.is_aware(kept) else kept.replace(tzinfo=UTC)
    return format_date(timezone.localtime(aware), "j M Y, H:i:s T")


def _named(field: ForeignKey, key: str) -> str:
    """Return the name of the row that a key means; of one that is gone, the key."""
    try:
        found = field.related_model._base_manager.filter(pk=key).first()
    except (ValueError, ValidationError):
        found = None
    return str(found) if found is not None else f"{key} (deleted)"
