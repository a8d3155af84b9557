"""Records as files: what comes out can come in again, and no spreadsheet runs any of it."""

import csv
import io
import json
from typing import Any

import pytest
from openpyxl import load_workbook

from hub.files import exporting
from hub.files.exporting import Choice, TooMany, export
from hub.lib.cells import FORMULA
from hub.mapping.expressions import compile_expression
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import Given, delete, upsert
from tests.factories import IntegrationFactory
from tests.hub.files.conftest import Upload, run

pytestmark = pytest.mark.django_db

ANN = {
    "email": "a@x.org",
    "name": '=HYPERLINK("http://x","y")',
    "note": 'a "b", c\nd',
    "phone": "+49 30 1",
    "balance": -5,
    "tags": ["a", {"b": 1}],
    "on": True,
    "none": None,
}


def of(choice: Choice, kind: str) -> bytes:
    return b"".join(export(choice, kind))


def as_csv(choice: Choice) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(of(choice, "csv").decode("utf-8-sig"), newline="")))


@pytest.fixture
def choice(clients: RecordType) -> Choice:
    others = [Given("b@x.org", {"name": "Bob"}), Given("c@x.org", {"name": "-"})]
    upsert(clients, [Given("a@x.org", ANN), *others])
    delete(clients, "c@x.org")
    return Choice(clients)


def test_no_cell_of_a_csv_file_is_a_formula(choice: Choice):
    ann, bob = as_csv(choice)
    assert ann["name"] == "'" + ANN["name"]
    assert (ann["phone"], ann["balance"], ann["note"]) == ("'+49 30 1", "-5", ANN["note"])
    assert (json.loads(ann["tags"]), ann["on"], ann["none"]) == (ANN["tags"], "true", "")
    # A record whose key was given beside its data has it in the file all the same.
    assert (bob["email"], bob["name"]) == ("b@x.org", "Bob")


def test_names_of_fields_are_cells_too(clients: RecordType):
    upsert(clients, [Given("1", {"=cmd|' /C calc'!A0": "@SUM(1)", "email": "1"})])
    header, line = csv.reader(io.StringIO(of(Choice(clients), "csv").decode("utf-8-sig")))
    assert not [cell for cell in [*header, *line] if cell.startswith(FORMULA)]


def test_no_cell_of_a_workbook_is_a_formula(choice: Choice):
    book = load_workbook(io.BytesIO(of(choice, "xlsx")))
    cells = [cell for row in book.active.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "b"}
    header = [cell.value for cell in cells[: len(ANN)]]
    ann = dict(zip(header, [cell.value for cell in cells[len(ANN) : 2 * len(ANN)]], strict=True))
    assert (ann["name"], ann["balance"], ann["on"], ann["none"]) == (ANN["name"], -5, True, None)


def test_signs_that_a_workbook_cannot_hold_are_left_out(clients: RecordType):
    upsert(clients, [Given("1", {"email": "a\x01b"})])
    book = load_workbook(io.BytesIO(of(Choice(clients), "xlsx")))
    assert book.active["A2"].value == "ab"


@pytest.mark.parametrize("kind", ["csv", "ndjson", "xlsx"])
def test_what_comes_out_comes_in_again_unchanged(choice: Choice, upload: Upload, kind: str):
    file = upload(of(choice, kind), f"clients.{kind}")
    kinds = {"tags": "json", "balance": "integer", "on": "boolean"}
    for column in file.columns:
        column["kind"] = kinds.get(column["column"], "text")
    done = run(file)
    # Bob's key is among his data now; no value is told from an empty one in NDJSON alone.
    assert (done.rejected, done.created) == (0, 0)
    kept = Record.objects.get(key="a@x.org").data
    assert {name: value for name, value in kept.items() if value is not None} == {
        name: value for name, value in ANN.items() if value is not None
    }


def test_records_are_chosen(choice: Choice, clients: RecordType):
    def keys(**fields: Any) -> list[str]:
        return [row["email"] for row in map(json.loads, of(Choice(clients, **fields), "ndjson").splitlines())]

    integration = IntegrationFactory(organization=clients.organization)
    ExternalLink.objects.create(record=Record.objects.get(key="b@x.org"), integration=integration)
    later = Record.objects.order_by("changed_at").last()
    assert later is not None
    assert keys() == ["a@x.org", "b@x.org"]
    assert keys(deleted=True) == ["c@x.org"]
    assert keys(holder=integration) == ["b@x.org"]
    assert keys(key="a@x.org") == ["a@x.org"]
    assert keys(only=compile_expression("data.balance < `0`")) == ["a@x.org"]
    assert keys(only=compile_expression("length(data.name) > `3`")) == ["a@x.org"]
    assert keys(since=later.changed_at) == []


def test_many_records_come_window_by_window(clients: RecordType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "WINDOW", 3)
    upsert(clients, [Given(str(n), {"email": str(n)}) for n in range(10)])
    assert len(as_csv(Choice(clients))) == 10


def test_a_workbook_with_too_many_rows_is_refused_before_it_is_made(
    choice: Choice, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exporting, "MAX_XLSX", 1)
    with pytest.raises(TooMany, match="or CSV"):
        export(choice, "xlsx")
