"""Where the data of a queue item comes from.

``delivery`` lies below ``events`` and ``sync``; they register here how their rows are loaded.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
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
_loaders: dict[str, Loader] = {}


def register_source(source_type: str, loader: Loader) -> None:
    """Say how rows of ``source_type`` are loaded; called once from an app's ``ready()``."""
    _loaders[source_type] = loader


def load(source_type: str, ids: Collection[UUID]) -> Mapping[UUID, Envelope]:
    """Return the envelopes that still exist, by id."""
    return _loaders[source_type](ids)
