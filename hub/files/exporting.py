"""Records as CSV, NDJSON or XLSX. What comes out can be imported again.

Records are read a window at a time, by their ids, so that no transaction and no memory grows with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from hub.connections.models import Integration
from hub.files.models import Kind
from hub.files.spreadsheets import write_sheet
from hub.lib.cells import csv_cell
from hub.lib.compact import compact
from hub.mapping.expressions import Expression, ExpressionError, is_true
from hub.sync.models import Record, RecordType
from hub.sync.records import at

#: Records of one query.
WINDOW = 2_000
#: Rows of a workbook: it is made whole before it is sent.
MAX_XLSX = 100_000
CONTENT_TYPES = {
    Kind.CSV: "text/csv; charset=utf-8",
    Kind.NDJSON: "application/x-ndjson",
    Kind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: Says to spreadsheets that a CSV is UTF-8.
MARK = "\ufeff"

_FIELDS = {
    "postgresql": "SELECT DISTINCT field FROM sync_record, jsonb_object_keys("
    "CASE WHEN jsonb_typeof(data) = 'object' THEN data ELSE '{}' END) AS field WHERE type_id = %s",
    "sqlite": "SELECT DISTINCT field.key FROM sync_record, json_each(data) AS field "
    "WHERE type_id = %s AND json_type(data) = 'object'",
}


class TooMany(Exception):
    """The records do not fit the kind of file."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records. ``key`` is a record's own; ``holder`` has them; ``only`` is JMESPath over
    ``key``, ``data`` and ``subject``."""

    type: RecordType
    deleted: bool = False
    since: datetime | None = None
    holder: Integration | None = None
    key: str = ""
    only: Expression | None = None

    def rows(self) -> QuerySet[Record]:
        """Return the records, by what the database knows of the choice."""
        rows = Record.objects.filter(type=self.type, deleted=self.deleted)
        if self.since:
            rows = rows.filter(changed_at__gte=self.since)
        if self.holder:
            rows = rows.filter(links__integration=self.holder)
        return rows.filter(key=self.key) if self.key else rows

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of their ids."""
        last = 0
        columns = ("pk", "key", "subject", "data")
        while window := list(self.rows().filter(pk__gt=last).order_by("pk").only(*columns)[:WINDOW]):
            last = window[-1].pk
            yield from (record for record in window if self._takes(record))

    def _takes(self, record: Record) -> bool:
        if self.only is None:
            return True
        facts = {"key": record.key, "subject": record.subject, "data": record.data}
        try:
            return is_true(self.only.search(facts))
        except ExpressionError:
            return False


def export(choice: Choice, kind: str) -> Iterator[bytes]:
    """Yield the file bit by bit; raise TooMany, before the first of it, where it takes fewer."""
    if kind == Kind.NDJSON:
        return _ndjson(choice)
    names = field_names(choice.type)
    if kind == Kind.CSV:
        return _csv(choice, names)
    if choice.rows()[: MAX_XLSX + 1].count() > MAX_XLSX:
        raise TooMany(f"A workbook takes {MAX_XLSX:,} records; choose fewer of them, or CSV.")
    return _xlsx(choice, names)


def field_names(record_type: RecordType) -> list[str]:
    """Return the fields of all records of the type: the key's and the schema's first, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(_FIELDS[connection.vendor], [record_type.pk])
        used = sorted(row[0] for row in cursor.fetchall())
    schema = record_type.schema if isinstance(record_type.schema, dict) else {}
    # The part of a dotted key stands within its object.
    first = record_type.key_field.partition(".")[0]
    return list(dict.fromkeys([first, *(schema.get("properties") or {}), *used]))


def _data(choice: Choice, record: Record) -> dict[str, Any]:
    """Return the record's data, with its key where it was given beside them."""
    data = record.data if isinstance(record.data, dict) else {}
    field = choice.type.key_field
    return data if at(data, field) not in (None, "") or "." in field else {field: record.key, **data}


def _ndjson(choice: Choice) -> Iterator[bytes]:
    for record in choice.records():
        yield compact(_data(choice, record)) + b"\n"


def _csv(choice: Choice, names: list[str]) -> Iterator[bytes]:
    yield (MARK + _line(names)).encode()
    for record in choice.records():
        data = _data(choice, record)
        yield _line([data.get(name) for name in names]).encode()


def _line(cells: list[Any]) -> str:
    return ",".join(map(_quoted, map(csv_cell, cells))) + "\r\n"


def _quoted(text: str) -> str:
    """Return a cell as RFC 4180 has it."""
    plain = not any(sign in text for sign in ',"\r\n')
    return text if plain else '"' + text.replace('"', '""') + '"'


def _xlsx(choice: Choice, names: list[str]) -> Iterator[bytes]:
    rows = (
        [data.get(name) for name in names] for data in (_data(choice, record) for record in choice.records())
    )
    with write_sheet(names, rows) as made:
        while part := made.read(256 * 1024):
            yield part
