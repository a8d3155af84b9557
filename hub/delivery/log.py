"""Writes the integration log. Exchanges arrive redacted; nothing here reads a secret.

Entries are plain values and one statement inserts many: a delivery's log must cost less than the
delivery.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, LogKind
from hub.lib.insert import Insert, time_text
from integrations.base.http import Exchange

_ENTRIES = Insert(
    IntegrationLog,
    *("organization_id", "integration_id", "kind", "outcome", "message", "hint", "action", "item_id"),
    *("source_id", "attempt", "status_code", "duration_ms", "exchanges", "created_at"),
)
#: The same columns, and their types in PostgreSQL, for a statement that writes more than the log.
COLUMNS = {
    "organization_id": "bigint",
    "integration_id": "uuid",
    "kind": "text",
    "outcome": "text",
    "message": "text",
    "hint": "text",
    "action": "text",
    "item_id": "uuid",
    "source_id": "uuid",
    "attempt": "int",
    "status_code": "int",
    "duration_ms": "int",
    "exchanges": "jsonb",
    "created_at": "timestamptz",
}
INSERT = f"INSERT INTO delivery_integrationlog ({', '.join(COLUMNS)})"


@dataclass(slots=True)
class Entry:
    """One row of the log, not written yet; the fields are IntegrationLog's."""

    organization_id: int
    integration_id: UUID
    kind: LogKind
    outcome: str
    message: str
    hint: str = ""
    action: str = ""
    item_id: UUID | None = None
    source_id: UUID | None = None
    attempt: int = 0
    status_code: int | None = None
    duration_ms: int = 0
    exchanges: Sequence[Exchange] = ()
    created_at: datetime = field(default_factory=timezone.now)


def record(integration: Integration, kind: LogKind, outcome: str, message: str, **fields: Any) -> None:
    """Write one entry about ``integration``; ``fields`` are further ones of Entry."""
    write([Entry(integration.organization_id, integration.pk, kind, outcome, message, **fields)])


def write(entries: Iterable[Entry]) -> None:
    """Insert entries, in their order."""
    rows = [_row(entry) for entry in entries]
    if rows:
        with transaction.atomic():
            _ENTRIES.run(rows)


def _row(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.organization_id,
        entry.integration_id,
        entry.kind.value,
        entry.outcome,
        entry.message[:1000],
        entry.hint[:500],
        entry.action,
        entry.item_id,
        entry.source_id,
        entry.attempt,
        _status(entry),
        entry.duration_ms,
        list(entry.exchanges),
        entry.created_at,
    )


def as_json(entry: Entry) -> dict[str, Any]:
    """Return the entry by ``COLUMNS``, as orjson takes it."""
    return dict(zip(COLUMNS, _row(entry), strict=True))


def _status(entry: Entry) -> int | None:
    return entry.status_code or next(
        (exchange.status for exchange in reversed(entry.exchanges) if exchange.status), None
    )


def plain_key() -> Callable[[UUID | None], Any]:
    """Return how the database's plain SQL takes a UUID: asked once, used for a batch."""
    if connection.features.has_native_uuid_field:
        return lambda value: value
    return lambda value: value.hex if value is not None else None


def plain_time() -> Callable[[datetime], Any]:
    """Return how the database's plain SQL takes a time: asked once, used for a batch."""
    return (lambda value: value) if connection.vendor == "postgresql" else time_text


def db_key(value: UUID | None) -> Any:
    """Return one UUID as the database's plain SQL takes it."""
    return plain_key()(value)


def db_time(value: datetime) -> Any:
    """Return one time as the database's plain SQL takes it."""
    return plain_time()(value)
