"""What a column becomes: its field and its kind, and suggestions for both."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import orjson
from rapidfuzz import fuzz, utils

from hub.files.models import ImportMapping
from hub.files.presets import Preset
from hub.lib.cells import plain_text
from hub.sync.models import Record, RecordType

#: How alike a column's name and a field's must be, of 100, for one to be suggested for the other.
ALIKE = 80
#: Records whose fields are offered where the schema names none.
LOOKED_AT = 50
TRUE, FALSE = {"true", "yes", "y", "1", "ja", "oui", "si", "x"}, {"false", "no", "n", "0", "nein", "non"}

KINDS = {
    "text": "Text",
    "email": "E-mail address, in small letters",
    "integer": "Whole number",
    "number": "Number, 1,234.50",
    "number_comma": "Number, 1.234,50",
    "boolean": "Yes or no",
    "date": "Date, 2026-11-21",
    "date_dmy": "Date, day first: 21.11.2026",
    "date_mdy": "Date, month first: 11/21/2026",
    "json": "List or object as JSON",
}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,14})")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,10})?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DAY = re.compile(r"\s*(\d{1,4})\s*[./-]\s*(\d{1,2})\s*[./-]\s*(\d{1,4})\s*")
_OF_SCHEMA = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "json",
    "object": "json",
}


class Wrong(ValueError):
    """A cell is not what its column is; the message says what was expected."""


def convert(kind: str, cell: Any) -> Any:
    """Return a cell as a field's value, None for an empty one; raise Wrong."""
    if isinstance(cell, str):
        cell = plain_text(cell.strip())
    if cell is None or cell == "":
        return None
    if "\x00" in str(cell):
        raise Wrong("text without zero bytes")
    return _CONVERT[kind](cell)


def shape(header: Iterable[str]) -> str:
    """Return what is the same for files of the same columns, whatever their order."""
    names = sorted(name.strip().casefold() for name in header)
    return blake2b("\x00".join(names).encode(), digest_size=16).hexdigest()


def fields_of(record_type: RecordType) -> list[str]:
    """Return the fields that a column may go into: the schema's, the type's own, and those in use."""
    schema = record_type.schema if isinstance(record_type.schema, dict) else {}
    known = list(schema.get("properties") or {})
    rows = Record.objects.filter(type=record_type).order_by("-pk").values_list("data", flat=True)
    used = [name for data in rows[:LOOKED_AT] if isinstance(data, dict) for name in data]
    own = [name for name in (record_type.key_field, record_type.subject_field) if name]
    return list(dict.fromkeys([*own, *known, *used]))


def remembered(record_type: RecordType, header: Sequence[str]) -> ImportMapping | None:
    """Return the mapping of files of this shape; else the largest all of whose columns are here."""
    rows = list(ImportMapping.objects.filter(type=record_type))
    same = [row for row in rows if row.shape == shape(header)]
    there = {name.casefold() for name in header}
    fits = [row for row in rows if row.columns and {c["column"].casefold() for c in row.columns} <= there]
    return next(iter(same), None) or max(fits, key=lambda row: len(row.columns), default=None)


def suggest(
    record_type: RecordType,
    header: Sequence[str],
    samples: Sequence[Sequence[Any]],
    known: ImportMapping | None = None,
    preset: Preset | None = None,
) -> list[dict[str, str]]:
    """Return a {column, field, kind} for each column, as ``known`` has it, ``preset``, or as it seems to be.

    ``samples``: some rows. A field is suggested once, for the column that is most like it; where none
    is, the column's own name makes one. An empty field leaves the column out.
    """
    if known is not None:
        by_name = {column["column"].casefold(): column for column in known.columns}
        empty = {"field": "", "kind": "text"}
        return [{**empty, **by_name.get(name.casefold(), {}), "column": name} for name in header]
    strict = isinstance(record_type.schema, dict) and record_type.schema.get("additionalProperties") is False
    fields = fields_of(record_type)
    told = _of_preset(preset, header, fields if strict else None)
    rest = [name for name in header if name not in told]
    found = told | _matches(rest, [name for name in fields if name not in told.values()])
    columns = []
    for place, name in enumerate(header):
        field = found.get(name) or ("" if strict else field_name(name))
        cells = [row[place] for row in samples if row[place] not in (None, "")]
        kind = _kind(record_type, field, cells)
        if preset and kind.startswith("date") and _can_be(preset.dates, cells):
            kind = preset.dates
        columns.append({"column": name, "field": field, "kind": kind})
    return columns


def _of_preset(preset: Preset | None, header: Sequence[str], allowed: Sequence[str] | None) -> dict[str, str]:
    """Return the field of each column that the preset knows; each field once, for the first column."""
    found: dict[str, str] = {}
    for name in header if preset else ():
        field = preset.field_of(name) if preset else ""
        if field and field not in found.values() and (allowed is None or field in allowed):
            found[name] = field
    return found


def _can_be(kind: str, cells: Sequence[Any]) -> bool:
    try:
        for cell in cells:
            _CONVERT[kind](cell)
    except Wrong:
        return False
    return True


def field_name(column: str) -> str:
    """Return a field's name made of a column's: ``E-mail address`` is ``e_mail_address``."""
    return re.sub(r"\W+", "_", column.strip().casefold()).strip("_")[:120]


def _matches(header: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """Return a field for each column that is like one; the most alike are paired first."""
    scored = sorted(
        (
            (_alike(column, field), -place, column, field)
            for column in header
            for place, field in enumerate(fields)
        ),
        reverse=True,
    )
    found: dict[str, str] = {}
    for score, _, column, field in scored:
        if score >= ALIKE and column not in found and field not in found.values():
            found[column] = field
    return found


def _alike(column: str, field: str) -> float:
    left, right = (utils.default_process(text.replace("_", " ")) for text in (column, field))
    joined = fuzz.ratio(left.replace(" ", ""), right.replace(" ", ""))
    # The same words in another order, or with further ones beside them: “Email (work)” and email.
    return max(joined, fuzz.token_sort_ratio(left, right), 0.9 * fuzz.token_set_ratio(left, right))


def _kind(record_type: RecordType, field: str, cells: Sequence[Any]) -> str:
    schema = record_type.schema if isinstance(record_type.schema, dict) else {}
    declared = (schema.get("properties") or {}).get(field)
    wanted = declared.get("type") if isinstance(declared, Mapping) else None
    texts = [str(cell).strip() for cell in cells]
    if texts and all(map(_EMAIL.fullmatch, texts)):
        return "email"
    if field == record_type.key_field:
        return "text"  # leading zeros count
    if isinstance(wanted, str):
        return _OF_SCHEMA.get(wanted) or _date_kind(texts) or "text"
    return _guessed(cells, texts)


def _guessed(cells: Sequence[Any], texts: Sequence[str]) -> str:
    if not texts:
        return "text"
    if all(isinstance(cell, dict | list) for cell in cells):
        return "json"
    if all(
        isinstance(cell, bool) or text.casefold() in ("true", "false")
        for cell, text in zip(cells, texts, strict=True)
    ):
        return "boolean"
    if all(map(_INTEGER.fullmatch, texts)):
        return "integer"
    if all(map(_NUMBER.fullmatch, texts)) and not any(re.match(r"-?0\d", text) for text in texts):
        return "number"
    return _date_kind(texts) or "text"


def _date_kind(texts: Sequence[str]) -> str:
    """Return the kind of date that every text can be; the day first where both may be meant."""
    if not texts:
        return ""
    return next((kind for kind in ("date", "date_dmy", "date_mdy") if _can_be(kind, texts)), "")


def _text(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, str | dict | list) else str(cell)


def _email(cell: Any) -> str:
    text = str(cell).strip().casefold()
    if not _EMAIL.fullmatch(text):
        raise Wrong("an e-mail address")
    return text


def _integer(cell: Any) -> int:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    text = str(cell).replace(" ", "").replace("\u00a0", "").replace(",", "")
    if not re.fullmatch(r"[+-]?\d{1,18}", text):
        raise Wrong("a whole number")
    return int(text)


def _number(cell: Any) -> int | float:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    text = re.sub(r"[\s\u00a0,']", "", str(cell))
    if not re.fullmatch(r"[+-]?(\d{1,18}(\.\d*)?|\.\d+)", text):
        raise Wrong("a number such as 1,234.50")
    return float(text) if "." in text else int(text)


def _number_comma(cell: Any) -> int | float:
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    text = re.sub(r"[\s\u00a0.']", "", str(cell)).replace(",", ".")
    try:
        return _number(text)
    except Wrong:
        raise Wrong("a number such as 1.234,50") from None


def _boolean(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    text = str(cell).strip().casefold()
    if text not in TRUE | FALSE:
        raise Wrong("yes or no")
    return text in TRUE


def _date(cell: Any) -> str:
    text = str(cell).strip()
    try:
        if len(text) > 10:
            return datetime.fromisoformat(text.replace(" ", "T", 1)).isoformat()
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise Wrong("a date such as 2026-11-21") from None


def _day_first(cell: Any) -> str:
    return _ordered(cell, "day first: 21.11.2026", lambda a, b, c: (c, b, a))


def _month_first(cell: Any) -> str:
    return _ordered(cell, "month first: 11/21/2026", lambda a, b, c: (c, a, b))


def _ordered(cell: Any, told: str, order: Callable[[int, int, int], tuple[int, int, int]]) -> str:
    found = _DAY.fullmatch(str(cell))
    if not found:
        try:
            return _date(cell)  # a spreadsheet's own dates
        except Wrong:
            raise Wrong(f"a date, {told}") from None
    numbers = tuple(map(int, found.groups()))
    if len(found[1]) == 4:
        year, month, day = numbers
    else:
        year, month, day = order(*numbers)
        year += (2000 if year < 70 else 1900) if year < 100 else 0
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise Wrong(f"a date, {told}") from None


def _json(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return orjson.loads(cell)
    except ValueError:
        raise Wrong("JSON") from None


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "email": _email,
    "integer": _integer,
    "number": _number,
    "number_comma": _number_comma,
    "boolean": _boolean,
    "date": _date,
    "date_dmy": _day_first,
    "date_mdy": _month_first,
    "json": _json,
}
