"""Where the data of a queue item comes from.

``delivery`` lies below ``events`` and ``sync``; they register here how their rows are loaded.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is delivered: the event as mappings and providers see it (CloudEvents names)."""

    id: UUID
    type: str
    subject: str
    source: str
    time: datetime
    data: Any = field(repr=False, default=None)

    def as_dict(self) -> dict[str, Any]:
        """The form that filters, mappings and templates read."""
        return {
            "id": str(self.id),
            "type": self.type,
            "subject": self.subject,
            "source": self.source,
            "time": self.time.isoformat(),
            "data": self.data,
        }


Loader = Callable[[Collection[UUID]], Mapping[UUID, Envelope]]


class Finder(Protocol):
    """Finds the sources of one type by what people know of them, through indexes alone."""

    def about(self, organizations: Any, subject: str) -> Collection[UUID]:
        """Return the newest whose subject is this, or begins so."""

    def of_type(self, organizations: Any, text: str) -> tuple[Collection[str], Collection[UUID] | None]:
        """Return the types that ``text`` means and their rows; None for these where they are many."""


_loaders: dict[str, Loader] = {}
_finders: dict[str, Finder] = {}


def register_source(source_type: str, loader: Loader, finder: Finder | None = None) -> None:
    """Say how rows of ``source_type`` are loaded and found; called once from an app's ``ready()``."""
    _loaders[source_type] = loader
    if finder is not None:
        _finders[source_type] = finder


def about(organizations: Any, subject: str) -> list[UUID]:
    """Return the ids of what ``organizations`` have under this subject, or one that begins so."""
    return [pk for finder in _finders.values() for pk in finder.about(organizations, subject)]


def of_type(organizations: Any, text: str) -> tuple[list[str], list[UUID] | None]:
    """Return the types that ``text`` means, and the ids of all of them; None where they are many."""
    found = [finder.of_type(organizations, text) for finder in _finders.values()]
    types = [kind for kinds, _ in found for kind in kinds]
    if any(ids is None for _, ids in found):
        return types, None
    return types, [pk for _, ids in found for pk in ids or ()]


def load(source_type: str, ids: Collection[UUID]) -> Mapping[UUID, Envelope]:
    """Return the envelopes that still exist, by id."""
    return _loaders[source_type](ids)
