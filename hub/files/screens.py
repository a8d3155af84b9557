"""What the pages of an import do and show: the upload, how the file is read, its columns."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from hub.files import columns as suggestions
from hub.files.checking import Preview, column_problems, preview
from hub.files.columns import KINDS
from hub.files.models import FileImport, ImportState, Kind
from hub.files.presets import preset
from hub.files.reading import ENCODINGS, SEPARATORS, FileProblem, guess, read, sheets
from hub.files.store import TooLarge, keep
from hub.mapping.values import shown
from hub.sync.models import RecordType

logger = logging.getLogger(__name__)

#: Rows that suggestions are made from, and examples of a column that are shown.
SAMPLE, EXAMPLES = 200, 3


class Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        """Return ``text``."""
        return text


def upload(
    record_type: RecordType, name: str, parts: Iterable[bytes], user: Any, system: str = ""
) -> tuple[FileImport | None, str]:
    """Keep an upload and suggest how it is read; return it, or None and the sentence that says why not.

    ``system``: the key of a preset, whose columns it has.
    """
    file = FileImport.objects.create(
        organization_id=record_type.organization_id,
        type=record_type,
        by=user,
        name=name[-200:] or "file",
        preset=system,
    )
    try:
        keep(file, parts)
        guess(file)
    except (TooLarge, FileProblem) as problem:
        file.delete()
        return None, str(problem)
    except BaseException:
        file.delete()
        raise
    _suggest(file)
    file.state = ImportState.UPLOADED
    file.save()
    return file, ""


def read_otherwise(file: FileImport, given: Mapping[str, Any]) -> None:
    """Take other encoding, separator, sheet or kind, and suggest the columns anew."""
    if given.get("encoding") in ENCODINGS:
        file.encoding = given["encoding"]
    separator = "\t" if given.get("separator") == "tab" else given.get("separator")
    if separator in SEPARATORS:
        file.separator = separator
    if given.get("sheet"):
        file.sheet = str(given["sheet"])[:60]
    _suggest(file)
    file.save(update_fields=["encoding", "separator", "sheet", "columns", "replace", "mapping"])


def enter(file: FileImport, given: Mapping[str, Any]) -> None:
    """Take the columns as they are entered, and keep them for a page that is left and opened again."""
    file.columns = [
        {
            "column": column["column"],
            "field": str(given.get(f"field-{place}", "")).strip(),
            "kind": given.get(f"kind-{place}", "text"),
        }
        for place, column in enumerate(file.columns)
    ]
    file.replace = given.get("replace") == "yes"
    kept = FileImport.objects.filter(pk=file.pk, state=ImportState.UPLOADED)
    kept.update(columns=file.columns, replace=file.replace)


def reopen(file: FileImport) -> bool:
    """Go back to the columns of an import that failed; return whether the file is still there."""
    if not file.chunks.exists():
        return False
    file.rejected_rows.all().delete()
    counts = dict.fromkeys(("cursor", "percent", "created", "updated", "unchanged", "rejected"), 0)
    fresh = {"state": ImportState.UPLOADED, "message": "", "finished_at": None, "started_at": None}
    return bool(FileImport.objects.filter(pk=file.pk, state=ImportState.FAILED).update(**counts, **fresh))


def columns_context(file: FileImport) -> dict[str, Any]:
    """Return what the page of the columns shows."""
    try:
        names = sheets(file)
    except FileProblem:
        names = []
    return {
        "lines": _lines(file),
        "kinds": KINDS,
        "fields": suggestions.fields_of(file.type),
        "encodings": ENCODINGS if file.kind != Kind.XLSX else {},
        # A tab in an attribute would be normalised away.
        "separators": {sign if sign != "\t" else "tab": text for sign, text in SEPARATORS.items()}
        if file.kind == Kind.CSV
        else {},
        "separator": "tab" if file.separator == "\t" else file.separator,
        "sheets": names,
        "preset": preset(file.preset),
        **preview_context(file),
    }


def preview_context(file: FileImport) -> dict[str, Any]:
    """Return what the part of the page with the first rows shows."""
    found = preview(file)
    taken = [column for column in file.columns if column["field"]]
    return {
        "preview": found,
        "problems": [] if found.problem and not file.columns else column_problems(file.type, file.columns),
        "single": file.kind == Kind.CSV and len(found.header) == 1,
        "taken": taken,
        "records": _records(taken, found),
    }


def in_words(columns: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return columns with their kinds as people read them."""
    return [{**column, "kind": KINDS.get(column["kind"], column["kind"])} for column in columns]


def _suggest(file: FileImport) -> None:
    file.columns, file.mapping = [], None
    try:
        table = read(file)
        samples = [row.cells for row in islice(table.rows, SAMPLE) if not row.problem]
    except FileProblem as problem:
        logger.info("The columns of import %s cannot be read: %s", file.pk, problem)
        return
    file.mapping = suggestions.remembered(file.type, table.header)
    if file.mapping:
        file.replace = file.mapping.replace
    found = preset(file.preset)
    file.columns = suggestions.suggest(file.type, table.header, samples, file.mapping, found)


def _lines(file: FileImport) -> list[dict[str, Any]]:
    """Return the columns, each with some of its values."""
    samples: list[list[Any]] = []
    try:
        table = read(file)
        samples = [row.cells for row in islice(table.rows, SAMPLE) if not row.problem]
    except FileProblem:
        samples = []
    lines = []
    for place, column in enumerate(file.columns):
        cells = [row[place] for row in samples if place < len(row) and row[place] not in (None, "")]
        texts = [cell if isinstance(cell, str) else shown(cell) for cell in cells]
        lines.append({**column, "place": place, "examples": list(dict.fromkeys(texts))[:EXAMPLES]})
    return lines


def _records(taken: Sequence[Mapping[str, Any]], found: Preview) -> list[dict[str, Any]]:
    """Return the first rows as they would be, each with its values by the columns that are taken."""
    places = {name: place for place, name in enumerate(found.header)}
    return [
        {
            "line": one.row.line,
            "reason": one.reason,
            "key": one.given.key if one.given else "",
            "values": [_text(one.row.cells, places.get(column["column"])) for column in taken],
        }
        for one in found.rows
    ]


def _text(cells: Sequence[Any], place: int | None) -> str:
    value = cells[place] if place is not None and place < len(cells) else None
    return "" if value is None else value if isinstance(value, str) else shown(value)
