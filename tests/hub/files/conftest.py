"""Files as people upload them."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from openpyxl import Workbook

from hub.files import importing, screens
from hub.files.models import FileImport
from hub.sync.models import RecordType
from tests.factories import RecordTypeFactory

#: An export of a studio's clients, as its system writes it.
CLIENTS = (
    "Client Email;Client Name;Project Date;Total\r\n"
    "Ann@Example.com;Ann Ondaatje;21.11.2026;1.234,50\r\n"
    "bob@example.com;Bob Björk;02.12.2026;80,00\r\n"
)

Upload = Callable[..., FileImport]


@pytest.fixture
def clients(db: Any) -> RecordType:
    return RecordTypeFactory(name="client", key_field="email", subject_field="name")


@pytest.fixture
def upload(clients: RecordType) -> Upload:
    """Keep a file, and return it as the page of its columns shows it."""

    def give(content: bytes | str, name: str = "clients.csv", /, **fields: str) -> FileImport:
        raw = content.encode() if isinstance(content, str) else content
        file, problem = screens.upload(clients, name, [raw], None)
        assert file is not None, problem
        if fields:
            for column in file.columns:
                column["field"] = fields.get(column["column"], "")
            file.save()
        return file

    return give


def run(file: FileImport, **options: Any) -> FileImport:
    """Begin an import, do it, and return it as it ended."""
    assert importing.begin(file, remember=options.pop("remember", False)) == []
    importing.run_until_idle()
    return FileImport.objects.get(pk=file.pk)


def workbook(*sheets: Sequence[Sequence[Any]]) -> bytes:
    """Return an XLSX file with these rows."""
    book = Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(list(row))
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()
