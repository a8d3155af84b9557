"""From rows that were read to records: mapped, matched, merged, and written in few statements.

A row is matched with the record that its id is linked to, else by the type's key field.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.utils import timezone

from hub.lib.insert import Insert
from hub.mapping.engine import MappingError, map_event
from hub.mapping.expressions import ExpressionError, compile_expression, is_true
from hub.sync import conflicts
from hub.sync.known import Known, by_external_id, by_key, ids_of
from hub.sync.merge import Facts, Merged, merge, new_base
from hub.sync.models import ExternalLink, RejectedRow, Sync, Winner
from hub.sync.records import Given, RecordError, at, check, fingerprint, read_row, upsert
from hub.sync.work import Work
from integrations.base.provider import Pull

_READ = Insert(
    ExternalLink,
    *("record_id", "integration_id", "external_id", "fingerprint", "recipe", "read", "read_at", "base"),
    once=("record_id", "integration_id"),
    overwrite=("external_id", "fingerprint", "recipe", "read", "read_at", "base"),
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A row as the provider gave it (``read``), mapped: the record's fields, and what its paths say."""

    external_id: str
    read: Mapping[str, Any] = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    gone: bool = False
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row with what it makes of the record; ``held`` is what the integration has of it then."""

    raw: Raw
    given: Given
    held: str
    merged: Merged | None
    known: Known | None


def take(work: Work, rows: Sequence[Mapping[str, Any]], source: Pull) -> list[RejectedRow]:
    """Write what pages bring, and count it; return the rows that are not taken."""
    rejected, mapped = _map_all(work, rows, source)
    known_ids = by_external_id(work.sync, [raw.external_id for raw in mapped])
    keys = [_key_of(work.sync, raw.data) for raw in mapped]
    unlinked = [key for raw, key in zip(mapped, keys, strict=True) if raw.external_id not in known_ids]
    known_keys = by_key(work.sync, unlinked)
    taken: dict[str, Row] = {}
    for raw, key in zip(mapped, keys, strict=True):
        known = known_ids.get(raw.external_id) or known_keys.get(key)
        try:
            row = _decide(work, raw, known)
        except RecordError as error:
            rejected.append(work.reject(raw.external_id or key, str(error), dict(raw.read)))
            continue
        if row is None:
            work.run.skipped += 1
            continue
        if row.given.key in taken:
            work.run.unchanged += 1  # the same record twice: the latter counts
        taken[row.given.key] = row
    _write(work, list(taken.values()))
    return rejected


def _map_all(
    work: Work, rows: Iterable[Mapping[str, Any]], source: Pull
) -> tuple[list[RejectedRow], list[Raw]]:
    sync, rules = work.sync, work.rules
    deleted_path, modified_path = sync.deleted_path or source.deleted, sync.modified_path or source.modified
    rejected: list[RejectedRow] = []
    mapped: list[Raw] = []
    for raw in rows:
        external_id = _plain(_search(sync.id_path, raw))[:200]
        gone = is_true(_search(deleted_path, raw))
        try:
            data = dict(raw) if rules is None else map_event(rules, {"id": external_id, "data": raw})
        except MappingError as error:
            if not gone:
                rejected.append(work.reject(external_id, str(error), dict(raw)))
                continue
            data = {}  # of what is gone the id is enough
        mapped.append(Raw(external_id, raw, data, gone, _time(_search(modified_path, raw))))
    return rejected, mapped


def _decide(work: Work, raw: Raw, known: Known | None) -> Row | None:
    """Return what a row makes of its record, or None where it is left alone; raise RecordError."""
    sync = work.sync
    if raw.gone:
        return _decide_gone(work, raw, known)
    given = read_row(sync.type, raw.data, key=known.key if known else "", merged_later=True)
    facts = {"id": raw.external_id, "type": sync.type.name, "key": given.key, "data": raw.data}
    if not work.passes(facts):
        return None
    if known is None:
        check(sync.type, raw.data)
        return Row(raw, given, fingerprint(raw.data), Merged(raw.data, {}, in_step=True), None)
    if known.deleted and known.held is not None and known.read in (None, raw.data):
        return None  # deleted in the hub, and nothing new over there
    newer = raw.changed_at > known.changed_at if raw.changed_at else None
    asked = Facts(known.unsent, newer, sync.wins, sync.field_wins or {})
    merged = merge(known.data, raw.data, known.base, asked)
    check(sync.type, merged.data)
    held = fingerprint(merged.data) if merged.in_step else ""
    return Row(raw, Given(given.key, merged.data), held, merged, known)


def _decide_gone(work: Work, raw: Raw, known: Known | None) -> Row | None:
    sync = work.sync
    if known is None or known.deleted or not sync.take_deletions:
        return None
    if known.held and known.unsent and sync.wins in (Winner.HUB, Winner.ASK):
        return None  # changed here since: the next push brings it back
    mark = fingerprint(known.data, deleted=True)
    return Row(raw, Given(known.key, known.data, deleted=True), mark, None, known)


def _write(work: Work, rows: Sequence[Row]) -> None:
    run, sync = work.run, work.sync
    if run.dry_run:
        work.show(_dry(work, rows))
        return
    known = {row.known.key: row.known.fingerprint for row in rows if row.known}
    counts = upsert(sync.type, [row.given for row in rows], origin=sync.integration, known=known)
    gone = sum(row.given.deleted for row in rows)
    run.created += counts.created
    run.updated += counts.updated - gone
    run.deleted += gone
    run.unchanged += counts.unchanged
    ids = {row.known.key: row.known.record_id for row in rows if row.known}
    ids |= ids_of(sync, [row.given.key for row in rows if row.given.key not in ids])
    now = timezone.now()
    _READ.run(sorted((_linked(sync, row, ids[row.given.key], now) for row in rows), key=_first))
    # A record that was not here before cannot be in conflict.
    conflicts.follow(
        sync, {row.known.record_id: row.merged.conflicts for row in rows if row.known and row.merged}
    )


def _linked(sync: Sync, row: Row, record_id: int, now: datetime) -> tuple[Any, ...]:
    raw, known = row.raw, row.known
    external_id = raw.external_id or (known and known.external_id) or ""
    base = new_base(known.base if known else None, raw.data, row.merged) if row.merged else None
    read = raw.data if row.merged else known and known.read
    return record_id, sync.integration_id, external_id, row.held, "", read, now, base


def _dry(work: Work, rows: Iterable[Row]) -> Iterator[tuple[str, str, Any, Any]]:
    """Count what would be done, and yield it. All are counted, though not all are shown."""
    return iter([shown for row in rows if (shown := _dry_one(work, row))])


def _dry_one(work: Work, row: Row) -> tuple[str, str, Any, Any] | None:
    run, key, known, after = work.run, row.given.key, row.known, dict(row.given.data)
    if known is None:
        run.created += 1
        return key, "created", None, after
    if row.given.deleted:
        run.deleted += 1
        return key, "deleted", known.data, None
    same = known.fingerprint == fingerprint(after)
    run.unchanged += same
    run.updated += not same
    if row.merged and row.merged.conflicts:
        there = {name: values["provider"] for name, values in row.merged.conflicts.items()}
        return key, "conflict", known.data, {**after, **there}
    return None if same else (key, "updated", known.data, after)


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]


def _key_of(sync: Sync, data: Mapping[str, Any]) -> str:
    return _plain(at(data, sync.type.key_field))[:200]


@lru_cache(maxsize=512)
def _expression(path: str) -> Any:
    return compile_expression(path)


def _search(path: str, row: Mapping[str, Any]) -> Any:
    if not path:
        return None
    if path in row:
        return row[path]  # the plain name of a field, the usual case
    try:
        return _expression(path).search(row)
    except ExpressionError:
        return None


def _plain(value: Any) -> str:
    return "" if value is None or isinstance(value, bool | dict | list) else str(value).strip()


def _time(value: Any) -> datetime | None:
    """Read ISO 8601, or Unix time in seconds or milliseconds; None where it is none of them."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > 10**11 else value, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
