"""Records in: one or many, at the least cost, and the fingerprint that says whether anything changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.db import transaction
from django.utils import timezone

from hub.connections.models import Integration
from hub.events.drafts import json_problem
from hub.events.schemas import SchemaUnusable, data_reasons
from hub.lib.anyof import select_any
from hub.lib.compact import compact
from hub.lib.insert import Insert
from hub.sync.models import Record, RecordType

#: Keys of one look-up: below what any database takes as parameters of a statement.
LOOKED_UP = 500
MAX_KEY = 200

_COLUMNS = (
    "organization_id",
    "type_id",
    "key",
    "subject",
    "data",
    "fingerprint",
    "deleted",
    "changed_at",
    "origin_id",
)
_UPSERT = Insert(
    Record,
    *_COLUMNS,
    once=("type_id", "key"),
    overwrite=[name for name in _COLUMNS if name not in _COLUMNS[:3]],
)


_KNOWN = "SELECT key, fingerprint FROM sync_record WHERE key {any} AND type_id = %s"


class RecordError(ValueError):
    """A row is no record of its type; the message says why."""


@dataclass(slots=True)
class Counts:
    """What an upsert came to; ``changed`` are the keys that were created or updated."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    changed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Given:
    """A row for a record: its key, and its data as checked."""

    key: str
    data: Mapping[str, Any]
    deleted: bool = False


def fingerprint(data: Mapping[str, Any], *, deleted: bool = False) -> str:
    """Return 32 characters that are the same for the same data, whatever the order of its fields."""
    found = blake2b(compact(data, sort=True), digest_size=16).hexdigest()
    return f"-{found[1:]}" if deleted else found


def read_row(record_type: RecordType, row: Any, *, key: str = "", merged_later: bool = False) -> Given:
    """Check one row; the key is taken from the type's key field unless it is given. Raise RecordError.

    ``merged_later``: the row has only some fields, so that the schema cannot be asked yet.
    """
    if not isinstance(row, dict):
        raise RecordError("A record is a JSON object with fields.")
    key = key or _text(at(row, record_type.key_field))
    if not key:
        raise RecordError(
            f"The field {record_type.key_field!r}, which names the record, is missing or empty."
        )
    if len(key) > MAX_KEY or "\x00" in key:
        raise RecordError(f"A record's key is text of at most {MAX_KEY} characters.")
    path, problem = json_problem(row)
    if problem:
        raise RecordError(f"'{path}' {problem}")
    if not merged_later:
        check(record_type, row)
    return Given(key, row)


def check(record_type: RecordType, data: Any) -> None:
    """Hold data against the type's schema; raise RecordError with every reason."""
    if not record_type.schema:
        return
    try:
        reasons = data_reasons(record_type.schema, data)
    except SchemaUnusable as error:
        raise RecordError(str(error)) from None
    if reasons:
        raise RecordError("; ".join(reasons)[:1000])


def upsert(
    record_type: RecordType,
    rows: Iterable[Given],
    *,
    origin: Integration | None = None,
    known: Mapping[str, str] | None = None,
) -> Counts:
    """Create or replace records; what is the same already is not written. Of a key twice the last counts.

    ``known``: fingerprints by key, where the caller, in the same transaction, has looked them up already.

    One transaction, or part of the caller's; in the order of the keys, so that two of them cannot wait
    for each other in a circle.
    """
    latest = {row.key: row for row in rows}
    now = timezone.now()
    counts = Counts()
    fresh: list[tuple[Any, ...]] = []
    with transaction.atomic():
        if known is None:
            known = fingerprints(record_type, list(latest))
        for key in sorted(latest):
            row = latest[key]
            mark = fingerprint(row.data, deleted=row.deleted)
            if known.get(key) == mark:
                counts.unchanged += 1
                continue
            counts.created += key not in known
            counts.updated += key in known
            counts.changed.add(key)
            fresh.append(_values(record_type, row, mark, now, origin))
        _UPSERT.run(fresh)
    return counts


def delete(record_type: RecordType, key: str) -> bool:
    """Mark a record as deleted; return whether it was there. Its data stay for the pushes that follow."""
    record = Record.objects.filter(type=record_type, key=key, deleted=False).first()
    if record is None:
        return False
    upsert(record_type, [Given(key, record.data, deleted=True)])
    return True


def fingerprints(record_type: RecordType, keys: Sequence[str]) -> dict[str, str]:
    """Return the fingerprints of those records that exist, by key: one statement, however many they are."""
    return dict(select_any(_KNOWN, keys, record_type.pk))


def at(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _values(
    record_type: RecordType, row: Given, mark: str, now: datetime, origin: Integration | None
) -> tuple[Any, ...]:
    subject = _text(at(row.data, record_type.subject_field)) if record_type.subject_field else ""
    source = origin.pk if origin else None
    owner = record_type.organization_id
    return owner, record_type.pk, row.key, subject[:200], row.data, mark, row.deleted, now, source


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
