"""Events as deliveries, filters and mappings see them."""

from collections.abc import Collection, Mapping
from uuid import UUID

from hub.delivery.sources import Envelope
from hub.events.models import Event

SOURCE_TYPE = "event"


def envelope_of(event: Event) -> Envelope:
    """Return the envelope of one event."""
    return Envelope(event.id, event.type, event.subject, event.source, event.time, event.data)


def load_envelopes(ids: Collection[UUID]) -> Mapping[UUID, Envelope]:
    """Return the envelopes of the events that still exist, by id, in one query."""
    fields = ("id", "type", "subject", "source", "time", "data")
    rows = Event.objects.filter(pk__in=list(ids)).values_list(*fields)
    return {row[0]: Envelope(*row) for row in rows}
