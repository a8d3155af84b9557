"""CSV, NDJSON and XLSX as rows of cells, and what is wrong with a file."""

import gzip
import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest

from hub.files import reading, screens, spreadsheets, store
from hub.files.models import FileChunk, FileImport
from hub.files.reading import FileProblem, read
from hub.sync.models import RecordType
from tests.hub.files.conftest import CLIENTS, Upload, workbook

pytestmark = pytest.mark.django_db


def rows_of(file: FileImport) -> list[list[Any]]:
    return [row.cells for row in read(file).rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encoding_and_separator_are_found(upload: Upload, encoding: str, separator: str):
    text = "email;name\r\nb@x.org;Björk\r\nc@x.org;Zoë\r\n".replace(";", separator)
    file = upload(text.encode(encoding))
    assert read(file).header == ["email", "name"]
    assert rows_of(file) == [["b@x.org", "Björk"], ["c@x.org", "Zoë"]]


def test_a_packed_file_is_unpacked(upload: Upload):
    assert rows_of(upload(gzip.compress(CLIENTS.encode())))[1][1] == "Bob Björk"


def test_a_quoted_cell_may_hold_lines_and_separators(upload: Upload):
    file = upload('id,note\n1,"a, ""b""\nc"\n2,d')
    assert [(row.line, row.cells) for row in read(file).rows] == [(2, ["1", 'a, "b"\nc']), (4, ["2", "d"])]


def test_ndjson_columns_are_the_fields_of_its_lines(upload: Upload):
    file = upload('{"a": 1}\n\n{"b": [2]}\nnot\n[3]\n', "x.ndjson")
    table = read(file)
    found = [(row.line, row.cells, row.problem[:20]) for row in table.rows]
    assert table.header == ["a", "b"]
    assert found == [
        (1, [1, None], ""),
        (3, [None, [2]], ""),
        (4, [None, None], "The line is not JSON"),
        (5, [None, None], "The line is no JSON "),
    ]


def test_a_sheet_is_chosen_and_its_cells_keep_their_kinds(upload: Upload):
    rows = [["id", "on", "day", "at", "n"], ["007", True, date(2026, 1, 2), datetime(2026, 1, 2, 3, 4), 5.0]]
    file = upload(workbook(rows, [["other"], ["x"]]), "book.xlsx")
    assert rows_of(file) == [["007", True, "2026-01-02", "2026-01-02T03:04:00", 5]]
    assert reading.sheets(file) == ["Sheet 1", "Sheet 2"]
    screens.read_otherwise(file, {"sheet": "Sheet 2"})
    assert rows_of(file) == [["x"]]


def test_of_a_formula_comes_no_formula(upload: Upload):
    assert rows_of(upload(workbook([["id", "n"], ["1", "=1+1"]]), "book.xlsx")) == [["1", None]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty"),
        (b"\n\n", "The file is empty"),
        (b"a,a\n1,2\n", "Two columns are named"),
        (b"a,,b\n1,2,3\n", "Column 2 has no name"),
        (b"PK\x03\x04 but no workbook", "This is no XLSX file"),
        (b"a\x00b\n", "neither CSV nor NDJSON nor XLSX"),
        (gzip.compress(b"id\n" + bytes(range(32, 127)) * 99)[:-60], "damaged or cut off"),
        (b"id,n\n" + b"x" * (reading.MAX_LINE + 5), "characters. Is a quote"),
    ],
)
def test_what_cannot_be_read_says_why(clients: RecordType, content: bytes, told: str):
    file, problem = screens.upload(clients, "x.csv", [content], None)
    if file is not None:
        with pytest.raises(FileProblem) as raised:
            list(read(file).rows)
        problem = str(raised.value)
    assert told in problem


def test_the_wrong_encoding_names_the_line_and_what_to_do(upload: Upload):
    file = upload("id,name\n" + "1,a\n" * 70_000 + "2,ok\n")
    file.encoding = "utf-16"
    with pytest.raises(FileProblem, match="Choose another encoding"):
        list(read(file).rows)


def test_a_row_with_more_cells_than_columns_is_told(upload: Upload):
    rows = list(read(upload("a,b\n1,2,3\n4\n1,2,\n")).rows)
    assert [row.problem for row in rows] == ["3 cells, but the file has 2 columns.", "", ""]
    assert rows[1].cells == ["4", None]


def test_a_bomb_is_refused_before_it_is_unpacked(clients: RecordType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spreadsheets, "MAX_HELD", 1024 * 1024)
    packed = io.BytesIO(workbook([["id"], ["1"]]))
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", b"0" * 3 * 1024 * 1024)
    file, problem = screens.upload(clients, "bomb.xlsx", [packed.getvalue()], None)
    assert file is None
    assert "unpacks to 3 MiB" in problem
    assert not FileImport.objects.exists()


def test_entities_of_a_workbook_are_not_expanded(clients: RecordType):
    bomb = '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><z>&b;</z>'
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook([["id"], ["1"]]))) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            content = bomb.encode() if entry.filename == "xl/workbook.xml" else old.read(entry)
            new.writestr(entry.filename, content)
    file, problem = screens.upload(clients, "bomb.xlsx", [made.getvalue()], None)
    assert file is None
    assert "no XLSX file" in problem


def test_an_upload_is_read_from_anywhere_in_it(upload: Upload, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "CHUNK", 7)
    file = upload(CLIENTS)
    assert FileChunk.objects.filter(file=file).count() > 10
    with store.opened(file) as stream:
        stream.seek(-4, io.SEEK_END)
        assert stream.read() == b"00\r\n"
        stream.seek(5)
        assert stream.read(9) == CLIENTS.encode()[5:14]


def test_a_file_that_is_too_large_leaves_nothing(clients: RecordType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "MAX_BYTES", 100)
    file, problem = screens.upload(clients, "x.csv", [b"a" * 60, b"b" * 60], None)
    assert (file, FileChunk.objects.count(), FileImport.objects.count()) == (None, 0, 0)
    assert "MiB" in problem
