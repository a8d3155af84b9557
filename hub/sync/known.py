"""What the hub has of records that are read, and what the integration held of them: two statements a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.delivery.log import db_key
from hub.lib.anyof import select_any
from hub.lib.plain import read_json, read_time
from hub.sync.models import Sync

_COLUMNS = """record.id, record.key, record.data, record.fingerprint, record.deleted, record.changed_at,
    link.external_id, link.fingerprint, link.read, link.base"""
_BY_LINK = """
    SELECT /* columns */ FROM sync_externallink link JOIN sync_record record ON record.id = link.record_id
    WHERE link.external_id {any} AND link.integration_id = %s AND record.type_id = %s
"""
_BY_KEY = """
    WITH record AS (
        SELECT id, key, data, fingerprint, deleted, changed_at FROM sync_record
        WHERE key {any} AND type_id = %s
    )
    SELECT /* columns */ FROM record
    LEFT JOIN sync_externallink link ON link.record_id = record.id AND link.integration_id = %s
"""
_IDS = "SELECT key, id FROM sync_record WHERE key {any} AND type_id = %s"


@dataclass(frozen=True, slots=True)
class Known:
    """What the hub had of a row's record before, and what the integration held of it."""

    record_id: int
    key: str
    data: dict[str, Any] = field(repr=False)
    fingerprint: str
    deleted: bool
    changed_at: datetime
    external_id: str | None = None
    held: str | None = None
    read: dict[str, Any] | None = field(repr=False, default=None)
    base: dict[str, Any] | None = field(repr=False, default=None)

    @property
    def unsent(self) -> bool:
        """Whether the hub has it otherwise than the integration was told."""
        return self.held != self.fingerprint


def by_external_id(sync: Sync, ids: Sequence[str]) -> dict[str, Known]:
    """Return what is known of the records that are linked to these ids, by them."""
    rows = _select(_BY_LINK, _wanted(ids), db_key(sync.integration_id), sync.type_id)
    return {row.external_id or "": row for row in rows}


def by_key(sync: Sync, keys: Sequence[str]) -> dict[str, Known]:
    """Return what is known of the records with these keys, linked or not, by them."""
    rows = _select(_BY_KEY, _wanted(keys), sync.type_id, db_key(sync.integration_id))
    return {row.key: row for row in rows}


def ids_of(sync: Sync, keys: Sequence[str]) -> dict[str, int]:
    """Return the records' own ids, by their keys."""
    return dict(select_any(_IDS, _wanted(keys), sync.type_id))


def _select(query: str, values: Sequence[str], *params: Any) -> list[Known]:
    return [_known(row) for row in select_any(query.replace("/* columns */", _COLUMNS), values, *params)]


def _wanted(values: Sequence[str]) -> list[str]:
    # A text with a null character is in no database.
    return list(dict.fromkeys(value for value in values if value and "\x00" not in value))


def _known(row: tuple[Any, ...]) -> Known:
    pk, key, data, mark, deleted, changed_at, external_id, held, read, base = row
    moment = read_time(changed_at)
    known = (external_id, held, read_json(read), read_json(base))
    return Known(pk, key, read_json(data), mark, bool(deleted), moment, *known)
