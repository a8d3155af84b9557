"""Writes the integration log. Exchanges arrive redacted; nothing here reads a secret.

Entries are plain values and one statement inserts many: a delivery's log must cost less than the
delivery.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import LogKind
from integrations.base.http import Exchange

_INSERT = """
    INSERT INTO delivery_integrationlog (organization_id, integration_id, kind, outcome, message, hint,
        action, item_id, source_id, attempt, status_code, duration_ms, exchanges, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_INSERT_MANY = """
    INSERT INTO delivery_integrationlog (organization_id, integration_id, kind, outcome, message, hint,
        action, item_id, source_id, attempt, status_code, duration_ms, exchanges, created_at)
    SELECT organization_id, integration_id, kind, outcome, message, hint, action, item_id, source_id, attempt,
        status_code, duration_ms, exchanges::jsonb, created_at
    FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::uuid[], %s::uuid[], %s::int[], %s::int[], %s::int[], %s::text[], %s::timestamptz[])
        WITH ORDINALITY AS v (organization_id, integration_id, kind, outcome, message, hint, action, item_id,
            source_id, attempt, status_code, duration_ms, exchanges, created_at, position)
    ORDER BY position
"""


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
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(_INSERT_MANY, [list(column) for column in zip(*rows, strict=True)])
            else:
                cursor.executemany(_INSERT, rows)


def _row(entry: Entry) -> list[Any]:
    status = entry.status_code or next(
        (exchange.status for exchange in reversed(entry.exchanges) if exchange.status), None
    )
    return [
        entry.organization_id,
        db_key(entry.integration_id),
        entry.kind.value,
        entry.outcome,
        entry.message[:1000],
        entry.hint[:500],
        entry.action,
        db_key(entry.item_id),
        db_key(entry.source_id),
        entry.attempt,
        status,
        entry.duration_ms,
        orjson.dumps(list(entry.exchanges)).decode(),
        db_time(entry.created_at),
    ]


def db_key(value: UUID | None) -> Any:
    """Return a UUID as the database's plain SQL takes it."""
    return value.hex if value is not None and not connection.features.has_native_uuid_field else value


def db_time(value: datetime) -> Any:
    """Return a time as the database's plain SQL takes it."""
    return connection.ops.adapt_datetimefield_value(value)
