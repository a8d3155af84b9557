"""Events as deliveries, filters and mappings see them."""

import json
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import orjson
from django.db.models import TextField
from django.db.models.functions import Cast

from hub.delivery.sources import Envelope
from hub.events.models import Event

SOURCE_TYPE = "event"


def envelope_of(event: Event) -> Envelope:
    """Return the envelope of one event."""
    return Envelope(event.id, event.type, event.subject, event.source, event.time, event.data)


def load_envelopes(ids: Collection[UUID]) -> Mapping[UUID, Envelope]:
    """Return the envelopes of the events that still exist, by id, in one query."""
    fields = ("id", "type", "subject", "source", "time")
    raw = Cast("data", TextField())
    rows = Event.objects.filter(pk__in=list(ids)).values_list(*fields, raw)
    return {
        key: Envelope(key, kind, subject, source, moment, _parsed(text))
        for key, kind, subject, source, moment, text in rows
    }


def _parsed(text: str | None) -> Any:
    """Read JSON as the database keeps it; the quick reader takes no integer beyond 64 bits."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
