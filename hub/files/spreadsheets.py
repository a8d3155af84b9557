"""XLSX in and out, a row at a time.

An XLSX is a ZIP of XML, so a small file may hold a great one. What it says it unpacks to is checked
before anything is read; Python's ``zipfile`` reads no byte past what an entry says. Entities of XML
are refused by ``defusedxml``, which openpyxl takes where it is installed, and bounded by expat.
"""

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import IO, Any

from hub.lib.cells import csv_cell
from hub.lib.lazy import lazy

openpyxl: Any = lazy("openpyxl")

#: Unpacked bytes of a workbook, and of what openpyxl holds in memory whole: its texts and its styles.
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_HELD = 64 * 1024 * 1024
MAX_ENTRIES = 2_000
#: Columns that are read; a spreadsheet may have 16,384.
MAX_COLUMNS = 500


class Unreadable(Exception):
    """The workbook cannot be read; the message says why and what to do."""


def sheet_names(stream: IO[bytes]) -> list[str]:
    """Return the names of the sheets; raise Unreadable."""
    book = _book(stream)
    try:
        return [sheet.title for sheet in book.worksheets]
    finally:
        book.close()


def read_sheet(stream: IO[bytes], name: str) -> Iterator[tuple[int, list[Any], float]]:
    """Yield (number of the row from 1, cells, how far the sheet is read from 0 to 1); raise Unreadable.

    Of a formula comes the value that was saved with it, never the formula; times come as ISO 8601.
    """
    book = _book(stream)
    try:
        if name not in book.sheetnames:
            raise Unreadable(f"There is no sheet {name!r} in the file.")
        sheet = book[name]
        last = max(1, sheet.max_row or 1)
        sheet.reset_dimensions()  # some programs write wrong ones, which would cut the sheet off
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, [_plain(cell) for cell in cells[: MAX_COLUMNS + 1]], min(1.0, number / last)
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError, SyntaxError) as error:
        raise Unreadable(f"The spreadsheet is damaged: {error}. Save it anew, or as CSV.") from None
    finally:
        book.close()


def write_sheet(names: list[str], rows: Iterable[list[Any]]) -> IO[bytes]:
    """Return a workbook with one sheet, in a temporary file; a row is in memory at a time."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Records")
    sheet.append([_cell(sheet, name) for name in names])
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    made = tempfile.TemporaryFile()  # noqa: SIM115 the caller closes it when it is sent
    book.save(made)
    made.seek(0)
    return made


def _cell(sheet: Any, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else csv_cell(value)
    cell = openpyxl.cell.WriteOnlyCell(sheet, openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", text))
    # openpyxl takes a text that begins with = for a formula; as a string nothing runs.
    cell.data_type = "s"
    return cell


def _book(stream: IO[bytes]) -> Any:
    _refuse_bombs(stream)
    no_workbook = openpyxl.utils.exceptions.InvalidFileException
    try:
        return openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    except (no_workbook, zipfile.BadZipFile, KeyError, ValueError, OSError, SyntaxError):
        raise Unreadable("This is no XLSX file. Save it as “Excel workbook (.xlsx)” or as CSV.") from None


def _refuse_bombs(stream: IO[bytes]) -> None:
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as packed:
            entries = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Unreadable("This is no XLSX file. Save it as “Excel workbook (.xlsx)” or as CSV.") from None
    whole = sum(entry.file_size for entry in entries)
    held = sum(entry.file_size for entry in entries if "worksheets/" not in entry.filename)
    if len(entries) > MAX_ENTRIES or whole > MAX_UNPACKED or held > MAX_HELD:
        size = max(whole, held) // 1024**2
        raise Unreadable(
            f"The spreadsheet unpacks to {size:,} MiB, which is more than is taken. Save it as CSV."
        )
    stream.seek(0)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        day = value.date()
        return day.isoformat() if value.time() == time() else value.isoformat(timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
