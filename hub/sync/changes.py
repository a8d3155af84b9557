"""Which records an integration does not have as they are: found in the database, a window at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from hub.delivery.log import db_key
from hub.delivery.sources import Envelope
from hub.lib.plain import read_json, read_time
from hub.sync.models import Record, RecordType, SyncRun

#: Records that one query looks through: some tens of milliseconds.
WINDOW = 20_000

_CHANGED = """
    SELECT record.id, record.key, record.subject, record.data, record.fingerprint, record.deleted,
        record.changed_at, link.external_id, link.fingerprint,
        EXISTS (
            SELECT 1 FROM sync_conflict
            WHERE sync_conflict.record_id = record.id AND sync_conflict.integration_id = %s
                AND sync_conflict.chosen = ''
        ), /* sent */
    FROM sync_record record
    LEFT JOIN sync_externallink link ON link.record_id = record.id AND link.integration_id = %s
    WHERE record.type_id = %s AND record.id > %s AND record.id <= %s
        AND (
            (link.id IS NULL AND NOT record.deleted)
            OR link.fingerprint <> record.fingerprint
            OR (link.recipe <> '' AND link.recipe <> %s)
        )
        /* only */
    ORDER BY record.id LIMIT %s
"""
_ONLY_REJECTED = "AND record.key IN (SELECT key FROM sync_rejectedrow WHERE run_id = %s)"


@dataclass(frozen=True, slots=True)
class Changed:
    """A record that the integration does not have as it is; ``held``: the fingerprint it has."""

    id: int
    key: str
    subject: str
    data: dict[str, Any] = field(repr=False)
    fingerprint: str
    deleted: bool
    changed_at: datetime
    external_id: str
    held: str
    #: A person has to decide first what the record is to be.
    in_conflict: bool = False
    #: What was sent last; looked up for a dry run only.
    sent: dict[str, Any] | None = field(default=None, repr=False)

    def envelope(self, type_name: str) -> Envelope:
        """The record as mappings and filters see it."""
        return Envelope(UUID(int=self.id), type_name, self.subject, "records", self.changed_at, self.data)


@dataclass(frozen=True, slots=True)
class Found:
    """Changed records, in the order of their ids; ``end`` is how far the look went.

    ``more``: there may be further records after ``end``.
    """

    rows: list[Changed]
    end: int
    more: bool


def find(run: SyncRun, recipe: str, cursor: int, limit: int) -> Found:
    """Return up to ``limit`` changed records after the id ``cursor``."""
    sync = run.sync
    window_end = _window_end(sync.type, cursor)
    end = window_end if window_end is not None else _last_id(sync.type)
    target = db_key(sync.integration_id)
    values = [target, target, sync.type_id, cursor, end, recipe]
    only = ""
    if run.retry_of_id:
        only, values = _ONLY_REJECTED, [*values, db_key(run.retry_of_id)]
    with connection.cursor() as database:
        sent = "link.sent" if run.dry_run else "NULL"
        query = _CHANGED.replace("/* only */", only).replace("/* sent */", sent)
        database.execute(query, [*values, limit])
        rows = [_changed(row) for row in database.fetchall()]
    if len(rows) == limit:
        return Found(rows, rows[-1].id, more=True)
    return Found(rows, max(cursor, end), more=window_end is not None)


def count(record_type: RecordType, after: int = 0, until: int | None = None) -> int:
    """Return how many records have an id after ``after``, up to ``until``."""
    rows = Record.objects.filter(type=record_type, pk__gt=after)
    return (rows if until is None else rows.filter(pk__lte=until)).count()


def _window_end(record_type: RecordType, cursor: int) -> int | None:
    """Return the id a window further on; None where fewer records are left."""
    rows = Record.objects.filter(type=record_type, pk__gt=cursor).order_by("pk")
    return next(iter(rows.values_list("pk", flat=True)[WINDOW - 1 : WINDOW]), None)


def _last_id(record_type: RecordType) -> int:
    rows = Record.objects.filter(type=record_type).order_by("-pk")
    return rows.values_list("pk", flat=True).first() or 0


def _changed(row: Sequence[Any]) -> Changed:
    pk, key, subject, data, mark, deleted, changed_at, external_id, held, in_conflict, sent = row
    return Changed(
        pk,
        key,
        subject,
        read_json(data),
        mark,
        bool(deleted),
        read_time(changed_at),
        external_id or "",
        held or "",
        bool(in_conflict),
        read_json(sent),
    )
