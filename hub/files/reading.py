"""A file as rows of cells, in constant memory: CSV and NDJSON (plain or gzip) and XLSX."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import orjson

from hub.files import spreadsheets
from hub.files.models import FileImport, Kind
from hub.files.spreadsheets import MAX_COLUMNS, Unreadable
from hub.files.store import opened
from hub.lib.typed import TypedError, read_typed

MAX_ROWS = 1_000_000
#: Characters of one line, and bytes that a packed file may unpack to.
MAX_LINE = 1024 * 1024
MAX_UNPACKED = 2 * 1024 * 1024 * 1024
#: Bytes that encoding and separator are guessed from, and rows that the fields of NDJSON are.
SAMPLE = 256 * 1024
SAMPLE_ROWS = 1_000

SEPARATORS = {",": "Comma ( , )", ";": "Semicolon ( ; )", "\t": "Tab", "|": "Bar ( | )"}
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Western European (Windows)",
    "utf-16": "UTF-16",
    "iso8859-15": "Western European (ISO 8859-15)",
    "cp1250": "Central European (Windows)",
    "cp1251": "Cyrillic (Windows)",
    "mac-roman": "Western European (old Mac)",
    "shift-jis": "Japanese (Shift JIS)",
    "gb18030": "Chinese (GB 18030)",
}
#: What a CSV of Excel in UTF-16 and one with a byte order mark begin with.
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)
_DAMAGED = "The gzip file is damaged or cut off. Pack it again, and upload it anew."


class FileProblem(Exception):
    """The file as a whole cannot be read (on); the message says where, why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its line (in XLSX its row) from 1, its cells by the header, or why it is none.

    ``share``: how far the file is read with it, from 0 to 1.
    """

    line: int
    cells: list[Any]
    share: float
    problem: str = ""


@dataclass(slots=True)
class Table:
    """A file that is read: the names of its columns, and its rows, which can be read once."""

    header: list[str]
    rows: Iterator[Row] = field(repr=False)


def guess(file: FileImport) -> None:
    """Set how the file is read: its kind by its content, encoding, separator and sheet. Raise FileProblem."""
    if file.size == 0:
        raise FileProblem("The file is empty. Choose one with a line of column names and a row at least.")
    with opened(file) as stream:
        if stream.peek(4)[:4] == b"PK\x03\x04":
            file.kind, names = Kind.XLSX, _sheets(stream)
            file.sheet = names[0][:60]
            return
        sample = _sample(stream)
    file.encoding = _encoding(sample)
    text = sample.decode("utf-8-sig" if file.encoding == "utf-8" else file.encoding, errors="replace")
    if "\x00" in text:
        raise FileProblem("This is neither CSV nor NDJSON nor XLSX. Save it as one of these, and try again.")
    file.kind = Kind.NDJSON if text.lstrip().startswith("{") else Kind.CSV
    file.separator = _separator(text) if file.kind == Kind.CSV else ""


def _sample(stream: io.BufferedReader) -> bytes:
    try:
        return bytes(_unpacked(stream).read(SAMPLE))
    except _BROKEN:
        raise FileProblem(_DAMAGED) from None


def sheets(file: FileImport) -> list[str]:
    """Return the names of a workbook's sheets; none of another file. Raise FileProblem."""
    if file.kind != Kind.XLSX:
        return []
    with opened(file) as stream:
        return _sheets(stream)


def read(file: FileImport) -> Table:
    """Return the file's columns and rows. Raise FileProblem, also while the rows are read."""
    if file.kind == Kind.NDJSON:
        return _ndjson(file)
    raw = _sheet(file) if file.kind == Kind.XLSX else _csv(file)
    first = next((row for row in raw if any(_filled(cell) for cell in row.cells)), None)
    if first is None:
        raise FileProblem("The file is empty. The first line holds the names of the columns.")
    header = [str(cell).strip() if _filled(cell) else "" for cell in first.cells]
    while header and not header[-1]:
        header.pop()
    _check(header)
    return Table(header, _aligned(raw, len(header)))


def _check(header: list[str]) -> None:
    if len(header) > MAX_COLUMNS:
        raise FileProblem(f"The file has {len(header):,} columns; {MAX_COLUMNS} are read at most.")
    for number, name in enumerate(header, 1):
        if not name:
            raise FileProblem(f"Column {number} has no name. The first line holds the names of the columns.")
        if header.index(name) != number - 1:
            raise FileProblem(f"Two columns are named “{name}”. Give each a name of its own.")


def _aligned(raw: Iterator[Row], width: int) -> Iterator[Row]:
    for row in raw:
        extra = [cell for cell in row.cells[width:] if _filled(cell)]
        cells = [*row.cells[:width], *([None] * (width - len(row.cells)))]
        if extra and not row.problem:
            told = f"{len(row.cells)} cells, but the file has {width} columns."
            yield Row(row.line, cells, row.share, told)
        elif row.problem or any(_filled(cell) for cell in cells):
            yield Row(row.line, cells, row.share, row.problem)


def _filled(cell: Any) -> bool:
    return cell is not None and cell != ""


def _sheets(stream: IO[bytes]) -> list[str]:
    try:
        names = spreadsheets.sheet_names(stream)
    except Unreadable as error:
        raise FileProblem(str(error)) from None
    if not names:
        raise FileProblem("The spreadsheet has no sheet with rows.")
    return names


def _sheet(file: FileImport) -> Iterator[Row]:
    with opened(file) as stream:
        try:
            for number, cells, share in spreadsheets.read_sheet(stream, file.sheet):
                yield Row(number, cells, share)
        except Unreadable as error:
            raise FileProblem(str(error)) from None


def _csv(file: FileImport) -> Iterator[Row]:
    with opened(file) as stream:
        reader = csv.reader(_lines(file, stream), delimiter=file.separator or ",")
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise FileProblem(f"Line {reader.line_num} is not CSV: {error}.") from None
            if cells is None:
                return
            yield Row(line, list(cells), _share(stream, file))


def _ndjson(file: FileImport) -> Table:
    names: dict[str, None] = {}
    for _, value, _ in islice(_objects(file), SAMPLE_ROWS):
        if isinstance(value, dict):
            names |= dict.fromkeys(value)
    if not names:
        raise FileProblem("No line of the file is a JSON object with fields.")
    header = list(names)
    _check(header)
    return Table(header, _ndjson_rows(file, header))


def _ndjson_rows(file: FileImport, header: list[str]) -> Iterator[Row]:
    for line, value, share in _objects(file):
        if isinstance(value, dict):
            yield Row(line, [value.get(name) for name in header], share)
        else:
            problem = str(value) if isinstance(value, ValueError) else "The line is no JSON object."
            yield Row(line, [None] * len(header), share, problem)


def _objects(file: FileImport) -> Iterator[tuple[int, Any, float]]:
    with opened(file) as stream:
        for number, line in enumerate(_lines(file, stream), 1):
            if not line.strip():
                continue
            try:
                value: Any = orjson.loads(line)
            except ValueError:
                value = ValueError(_no_json(line))
            yield number, value, _share(stream, file)


def _no_json(line: str) -> str:
    """Say in words what is wrong with a line; its number is told beside it."""
    try:
        read_typed(line)
    except TypedError as error:
        return f"The line is not JSON: {str(error).removeprefix('line 1, ')}"
    return "The line is not JSON: it holds a number that is too large, or signs that no text has."


def _lines(file: FileImport, stream: io.BufferedReader) -> Iterator[str]:
    """Yield the lines as text; raise FileProblem for one that is too long or of another encoding."""
    codec = "utf-8-sig" if file.encoding in ("utf-8", "") else file.encoding
    text = io.TextIOWrapper(_unpacked(stream), encoding=codec, newline="")
    number, characters = 0, 0
    try:
        while line := text.readline(MAX_LINE + 1):
            number, characters = number + 1, characters + len(line)
            if len(line) > MAX_LINE:
                raise FileProblem(
                    f'Line {number} has over {MAX_LINE:,} characters. Is a quote (") not closed there, or is '
                    "it no text? Mend it, and import the file again."
                )
            if characters > MAX_UNPACKED:
                raise FileProblem(f"The file unpacks to over {MAX_UNPACKED // 1024**3} GiB. Split it.")
            yield line
    except UnicodeError:
        named = ENCODINGS.get(file.encoding, file.encoding)
        raise FileProblem(
            f"Near line {number + 1} the file is not {named} text. Choose another encoding and read it again."
        ) from None
    except _BROKEN:
        raise FileProblem(_DAMAGED) from None


def _unpacked(stream: io.BufferedReader) -> Any:
    packed = stream.peek(2)[:2] == b"\x1f\x8b"
    return io.BufferedReader(gzip.GzipFile(fileobj=stream), 64 * 1024) if packed else stream


def _share(stream: io.BufferedReader, file: FileImport) -> float:
    return 1.0 if stream.closed else min(1.0, stream.tell() / max(1, file.size))


def _encoding(sample: bytes) -> str:
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    try:
        # The sample may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _separator(text: str) -> str:
    """Return what makes the most columns, the same in every row, of the first lines."""
    lines = text.splitlines()[:30]
    if len(text) >= SAMPLE and len(lines) > 1:
        lines.pop()  # may be cut off

    def worth(separator: str) -> tuple[int, int]:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=separator) if cells]
        except csv.Error:
            return 0, 0
        first = widths[0] if widths else 0
        return sum(width == first for width in widths) if first > 1 else 0, first

    return max(SEPARATORS, key=worth)
