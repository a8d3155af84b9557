"""Rows into records by the columns. The preview and the import ask the same function."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hub.files.columns import KINDS, Wrong, convert
from hub.files.models import FileImport
from hub.files.reading import FileProblem, Row, read
from hub.mapping.values import shown
from hub.sync.models import Record, RecordType
from hub.sync.records import LOOKED_UP, MAX_KEY, Given, RecordError, at, read_row

#: Rows that the preview looks through, and those it shows.
LOOKED_THROUGH, SHOWN = 1_000, 20
MAX_FIELD = 120


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is taken: its place in a row, its name, field (dotted) and kind."""

    place: int
    name: str
    field: str
    kind: str


@dataclass(slots=True)
class Checked:
    """A row and what becomes of it: a record, or the reason why none does."""

    row: Row
    given: Given | None = None
    reason: str = ""


@dataclass(slots=True)
class Preview:
    """What an import would do with the first rows; ``problem``: why the file cannot be read on."""

    header: list[str] = field(default_factory=list)
    rows: list[Checked] = field(default_factory=list)
    looked: int = 0
    good: int = 0
    wrong: list[Checked] = field(default_factory=list)
    problem: str = ""


def column_problems(record_type: RecordType, columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the columns as a whole, each as a sentence that says what to do."""
    problems = []
    fields = [column["field"] for column in columns if column["field"]]
    if record_type.key_field not in fields:
        problems.append(
            f"No column gives the field “{record_type.key_field}”, which names a record. "
            "Choose the column that is different in every row, and let it go there."
        )
    for name in dict.fromkeys(name for name in fields if fields.count(name) > 1):
        problems.append(f"Two columns go into the field “{name}”. Leave one of them out.")
    for name in fields:
        if len(name) > MAX_FIELD or not all(name.split(".")):
            problems.append(
                f"“{name}” is no name of a field: at most {MAX_FIELD} characters, parts with dots."
            )
        if any(other.startswith(f"{name}.") for other in fields):
            problems.append(f"“{name}” cannot be a value and have parts of its own.")
    for column in columns:
        if column["kind"] not in KINDS:
            problems.append(f"The column “{column['column']}” has no kind that there is.")
    return problems


def taken(columns: Sequence[Mapping[str, Any]], header: Sequence[str]) -> list[Column]:
    """Return the columns that go somewhere; raise FileProblem where the file has them no more."""
    found = []
    for column in columns:
        if not column["field"]:
            continue
        if column["column"] not in header:
            raise FileProblem(f"The file has no column “{column['column']}”. Read it again.")
        found.append(
            Column(header.index(column["column"]), column["column"], column["field"], column["kind"])
        )
    return found


def check_rows(
    record_type: RecordType, columns: Sequence[Column], rows: Sequence[Row], seen: set[int], *, replace: bool
) -> list[Checked]:
    """Return what becomes of each row. ``seen``: hashes of the file's keys so far, which it adds to.

    Unless ``replace``, the fields of a record that is there already stay where no column says other.
    """
    checked = [_read(record_type, columns, row, seen) for row in rows]
    known: dict[str, dict[str, Any]] = (
        {} if replace else _known(record_type, [one.given.key for one in checked if one.given])
    )
    for one in checked:
        given = one.given
        if given is None:
            continue
        whole = merge(known.get(given.key) or {}, given.data)
        try:
            one.given = read_row(record_type, whole, key=given.key)
        except RecordError as error:
            one.given, one.reason = None, _plainly(str(error))
    return checked


def preview(file: FileImport) -> Preview:
    """Return what the import would do with the first rows; nothing is written."""
    found = Preview()
    try:
        table = read(file)
        found.header = table.header
        columns = taken(file.columns, table.header)
        rows = _some(table.rows, found)
    except FileProblem as problem:
        found.problem = str(problem)
        return found
    checked = check_rows(file.type, columns, rows, set(), replace=file.replace)
    found.looked = len(checked)
    found.good = sum(one.given is not None for one in checked)
    found.rows = checked[:SHOWN]
    found.wrong = [one for one in checked if one.given is None][:SHOWN]
    return found


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``old`` with ``new`` put over it, objects part by part."""
    whole = dict(old)
    for name, value in new.items():
        there = whole.get(name)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            value = merge(there, value)
        whole[name] = value
    return whole


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        data = data.setdefault(name, {})
    data[last] = value


def _some(rows: Iterator[Row], found: Preview) -> list[Row]:
    """Return the first rows; where the file cannot be read on, those before."""
    read_so_far: list[Row] = []
    try:
        read_so_far.extend(islice(rows, LOOKED_THROUGH))
    except FileProblem as problem:
        found.problem = str(problem)
    return read_so_far


def _read(record_type: RecordType, columns: Sequence[Column], row: Row, seen: set[int]) -> Checked:
    """Return the row's own data, not put over a record yet."""
    if row.problem:
        return Checked(row, reason=row.problem)
    data: dict[str, Any] = {}
    wrong = []
    for column in columns:
        try:
            value = convert(column.kind, row.cells[column.place])
        except Wrong as error:
            wrong.append(f"{column.name}: {shown(row.cells[column.place])} is not {error}.")
            continue
        if value is not None:
            put(data, column.field, value)
    if wrong:
        return Checked(row, reason=" ".join(wrong))
    try:
        given = read_row(record_type, data, merged_later=True)
    except RecordError:
        return Checked(row, reason=_no_key(record_type, columns, at(data, record_type.key_field)))
    if hash(given.key) in seen:
        told = "stands further up in the file already; only the first row of a key is looked at."
        return Checked(row, reason=f"The key “{given.key}” {told}")
    seen.add(hash(given.key))
    return Checked(row, given)


def _no_key(record_type: RecordType, columns: Sequence[Column], value: Any) -> str:
    named = next((column.name for column in columns if column.field == record_type.key_field), "")
    if value is None:
        return f"{named or record_type.key_field}: the cell is empty, but it names the record."
    return f"{named}: {shown(value)} cannot name a record: text or a number, at most {MAX_KEY} characters."


def _plainly(reason: str) -> str:
    """Return the schema's reasons in fewer words."""
    return reason.replace("data.", "").replace("data: ", "")


def _known(record_type: RecordType, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(keys), LOOKED_UP):
        rows = Record.objects.filter(type=record_type, deleted=False, key__in=keys[start : start + LOOKED_UP])
        found.update(rows.values_list("key", "data"))
    return found
