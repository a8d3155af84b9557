"""Files into records: NDJSON or CSV, plain or gzip, read as a stream in constant memory."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from django.db import connection, connections

from hub.sync.models import RecordType
from hub.sync.records import Given, RecordError, read_row, upsert

MAX_ROWS = 1_000_000
#: Characters of one line.
MAX_LINE = 1024 * 1024
#: Rows written in one transaction.
CHUNK = 2_000
#: Reasons that are told; further rejected rows are only counted.
MAX_REASONS = 1_000
NDJSON, CSV = "ndjson", "csv"

#: What a CSV cell becomes, by the type that the schema gives its column.
_READERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": lambda text: {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
        text.strip().lower()
    ],
}


class Stream(Protocol):
    """Bytes that are read bit by bit."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class ImportFailed(Exception):
    """The file as a whole cannot be read on; the message says where and why. Earlier rows are kept."""


@dataclass(slots=True)
class Report:
    """What an import came to; ``errors`` are (line, key, reason) of the first rejected rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors: list[tuple[int, str, str]] = field(default_factory=list)

    def reject(self, line: int, key: str, reason: str) -> None:
        """Count a row that is not taken."""
        self.rejected += 1
        if len(self.errors) < MAX_REASONS:
            self.errors.append((line, key, reason))


def import_rows(record_type: RecordType, stream: Stream, kind: str) -> Report:
    """Upsert the rows of a file, chunk by chunk; a row that is not taken does not stop the others.

    ``kind`` is NDJSON or CSV. Sending a file again changes nothing that is there already. Raise
    ImportFailed where it cannot be read on.
    """
    report = Report()
    rows = _ndjson(stream) if kind == NDJSON else _csv(stream, record_type)
    with _Writer(record_type, report) as writer:
        for taken, (line, row) in enumerate(rows, 1):
            if taken > MAX_ROWS:
                raise ImportFailed(f"A file may have {MAX_ROWS:,} rows; those before are kept.")
            try:
                if isinstance(row, RecordError):
                    raise row
                writer.add(read_row(record_type, row))
            except RecordError as error:
                report.reject(line, "", str(error))
    return report


class _Writer:
    """Writes chunk after chunk in a thread of its own while the next is read; one chunk waits at most.

    Within a transaction of the caller's it is written here, as part of that.
    """

    def __init__(self, record_type: RecordType, report: Report):
        self._type, self._report = record_type, report
        self._chunk: list[Given] = []
        self._under_way: Future[None] | None = None
        self._thread = None if connection.in_atomic_block else ThreadPoolExecutor(1, "import")

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *raised: object) -> None:
        """Write what is left, also where the file could not be read on."""
        try:
            self._hand_over()
            self._wait()
        finally:
            if self._thread:
                self._thread.submit(connections.close_all)
                self._thread.shutdown()

    def add(self, row: Given) -> None:
        """Take a row."""
        self._chunk.append(row)
        if len(self._chunk) >= CHUNK:
            self._hand_over()

    def _hand_over(self) -> None:
        self._wait()
        chunk, self._chunk = self._chunk, []
        if not chunk:
            return
        if self._thread:
            self._under_way = self._thread.submit(self._write, chunk)
        else:
            self._write(chunk)

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way:
            under_way.result()

    def _write(self, chunk: list[Given]) -> None:
        counts = upsert(self._type, chunk)
        self._report.created += counts.created
        self._report.updated += counts.updated
        # A key that stands twice in a chunk is written once.
        self._report.unchanged += len(chunk) - counts.created - counts.updated


def _ndjson(stream: Stream) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_lines(stream), 1):
        if not line.strip():
            continue
        try:
            yield number, orjson.loads(line)
        except ValueError as error:
            yield number, RecordError(f"The line is not JSON: {error}.")


def _csv(stream: Stream, record_type: RecordType) -> Iterator[tuple[int, Any]]:
    """Read rows by the names in the first line; an empty cell is no value."""
    reader = csv.reader(_texts(stream))
    names = [name.strip() for name in _next(reader) or []]
    if not any(names) or len(set(names)) != len(names):
        raise ImportFailed("The first line of a CSV file holds the names of its columns, each once.")
    readers = _column_readers(names, record_type)
    while (cells := _next(reader)) is not None:
        if not cells:
            continue
        if len(cells) > len(names):
            yield reader.line_num, RecordError(f"{len(cells)} cells, but {len(names)} columns.")
            continue
        yield reader.line_num, _row(cells, names, readers)


def _next(reader: Any) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise ImportFailed(f"Line {reader.line_num} is not CSV: {error}.") from None


def _row(cells: list[str], names: list[str], readers: list[Callable[[str], Any] | None]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, cell, read in zip(names, cells, readers, strict=False):
        if not cell:
            continue
        try:
            row[name] = read(cell) if read else cell
        except (ValueError, KeyError):
            row[name] = cell  # the schema says what is wrong with it
    return row


def _column_readers(names: list[str], record_type: RecordType) -> list[Callable[[str], Any] | None]:
    schema = record_type.schema if isinstance(record_type.schema, dict) else {}
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    kinds = [known[name].get("type") if isinstance(known.get(name), dict) else None for name in names]
    return [_READERS.get(kind) if isinstance(kind, str) else None for kind in kinds]


def _texts(stream: Stream) -> Iterator[str]:
    for number, line in enumerate(_lines(stream), 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ImportFailed(f"Line {number} is not UTF-8 text.") from None


def _lines(stream: Stream) -> Iterator[bytes]:
    """Yield lines, unpacked where the stream begins like gzip; raise ImportFailed for a broken one."""
    source = io.BufferedReader(_Raw(stream), 256 * 1024)
    packed = source.peek(2)[:2] == b"\x1f\x8b"
    reader: Any = io.BufferedReader(gzip.GzipFile(fileobj=source), 64 * 1024) if packed else source
    try:
        while line := reader.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise ImportFailed(f"A line may have {MAX_LINE:,} bytes.")
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ImportFailed("The gzip file is damaged or cut off; the rows before are kept.") from None


class _Raw(io.RawIOBase):
    """Makes of anything that can ``read`` what buffers can be put on."""

    def __init__(self, stream: Stream):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._stream.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)
