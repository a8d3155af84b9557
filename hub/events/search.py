"""Finding events by what people know of them, through indexes alone, however many there are."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import QuerySet

from hub.accounts.models import Organization
from hub.events.models import Event
from hub.events.routing import matches

#: Events that one search finds, the newest; and different types that are looked at.
FOUND, TYPES = 1_000, 500


def stored_types(organization_id: int) -> list[str]:
    """Return the types of what is stored: a short look into an index for each, not one at every event."""
    rows = (
        Event.objects.filter(organization_id=organization_id).order_by("type").values_list("type", flat=True)
    )
    found: list[str] = []
    while len(found) < TYPES:
        following = (rows.filter(type__gt=found[-1]) if found else rows).first()
        if following is None:
            break
        found.append(following)
    return found


def types_like(organizations: QuerySet[Organization], text: str) -> list[str]:
    """Return the stored types that ``text`` means: a pattern with a ``*``, or a part of them."""
    known = {kind for pk in organizations.values_list("pk", flat=True) for kind in stored_types(pk)}
    if "*" in text:
        return sorted(kind for kind in known if matches(text, kind))
    return sorted(kind for kind in known if text.lower() in kind.lower())


def about(organizations: Iterable[Organization], subject: str) -> list[UUID]:
    """Return the newest events whose subject begins with ``subject``, up to ``FOUND``."""
    rows = Event.objects.filter(organization__in=organizations, subject__startswith=subject)
    return _newest(rows)


def named(organizations: QuerySet[Organization], term: str) -> list[UUID]:
    """Return the newest events with this subject (or its beginning), idempotency key or type."""
    rows = Event.objects.filter(organization__in=organizations)
    types = types_like(organizations, term) if len(term) > 1 else []
    found: list[UUID] = [*about(organizations, term), *_newest(rows.filter(idempotency_key=term))]
    return found + (_newest(rows.filter(type__in=types)) if types else [])


def of_type(organizations: QuerySet[Organization], text: str) -> tuple[Collection[str], list[UUID] | None]:
    """Return the types that ``text`` means, and their events; None for the events where they are many."""
    types = types_like(organizations, text)
    if not types:
        return types, []
    found = _newest(Event.objects.filter(organization__in=organizations, type__in=types))
    return types, found if len(found) < FOUND else None


def _newest(rows: QuerySet[Event]) -> list[UUID]:
    return list(rows.order_by("-id").values_list("pk", flat=True)[:FOUND])
