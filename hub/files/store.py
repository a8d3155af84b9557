"""Uploads, kept in the database bit by bit: whichever machine's worker takes one up can read it."""

import io
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from hub.files.models import FileChunk, FileImport

#: Bytes of a file, as it comes.
MAX_BYTES = 256 * 1024 * 1024
#: Bytes of one row of the database.
CHUNK = 512 * 1024


class TooLarge(Exception):
    """The file is larger than is taken."""


def keep(file: FileImport, parts: Iterable[bytes]) -> None:
    """Write an upload; raise TooLarge, with nothing kept. Each part is a transaction of its own: a long
    one would hold up whoever else writes."""
    number, waiting = 0, bytearray()
    file.size = 0
    for part in parts:
        file.size += len(part)
        if file.size > MAX_BYTES:
            file.chunks.all().delete()
            raise TooLarge(f"A file may have {MAX_BYTES // 1024**2} MiB. Split it, or pack it with gzip.")
        waiting += part
        while len(waiting) >= CHUNK:
            _write(file, number, bytes(waiting[:CHUNK]))
            del waiting[:CHUNK]
            number += 1
    if waiting:
        _write(file, number, bytes(waiting))


def forget(file_id: UUID) -> None:
    """Remove what was uploaded, in short transactions."""
    while ids := list(FileChunk.objects.filter(file=file_id).values_list("pk", flat=True)[:20]):
        FileChunk.objects.filter(pk__in=ids).delete()


def opened(file: FileImport) -> io.BufferedReader:
    """Return the file for reading from anywhere in it; one part is in memory at a time."""
    return io.BufferedReader(_Chunks(file), CHUNK)


def _write(file: FileImport, number: int, data: bytes) -> None:
    with transaction.atomic():
        FileChunk.objects.create(file=file, number=number, data=data)


class _Chunks(io.RawIOBase):
    """All chunks of a file, as one."""

    def __init__(self, file: FileImport):
        self._file, self._place = file, 0
        self._number, self._data = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._file.size:
            return 0
        number, start = divmod(self._place, CHUNK)
        if number != self._number:
            rows = FileChunk.objects.filter(file=self._file.pk, number=number)
            self._data = bytes(rows.values_list("data", flat=True).get())
            self._number = number
        part = self._data[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)
