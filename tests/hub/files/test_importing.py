"""Imports from their columns to the records, also broken off, cancelled and taken over."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.files import importing, jobs, screens
from hub.files.checking import column_problems, preview
from hub.files.models import FileChunk, FileImport, ImportMapping, ImportState, RejectedFileRow
from hub.lib.held import Lost
from hub.sync.models import Record, RecordType
from hub.sync.records import Given, delete, upsert
from tests.hub.files.conftest import CLIENTS, Upload, run, workbook

pytestmark = pytest.mark.django_db


def data_of(kind: RecordType) -> dict[str, Any]:
    return dict(Record.objects.filter(type=kind, deleted=False).values_list("key", "data"))


def test_a_studios_clients_become_records_as_they_are_suggested(clients: RecordType, upload: Upload):
    file = upload(CLIENTS)
    by_name = {column["column"]: column for column in file.columns}
    assert by_name["Client Email"]["field"] == "email"
    assert by_name["Client Name"]["field"] == "name"
    by_name["Total"]["kind"] = "number_comma"
    done = run(file)
    assert (done.state, done.created, done.rejected, done.percent) == ("completed", 2, 0, 100)
    ann = {"email": "ann@example.com", "name": "Ann Ondaatje", "project_date": "2026-11-21", "total": 1234.5}
    assert data_of(clients)["ann@example.com"] == ann
    assert Record.objects.get(key="bob@example.com").subject == "Bob Björk"
    assert not FileChunk.objects.exists()


def test_the_same_file_again_changes_nothing(clients: RecordType, upload: Upload):
    run(upload("email,name\na@x.org,A\n"))
    again = run(upload("email,name\na@x.org,A\n"))
    assert (again.created, again.updated, again.unchanged) == (0, 0, 1)


def test_what_is_wrong_is_told_row_by_row_and_stops_no_other(clients: RecordType, upload: Upload):
    clients.schema = {"properties": {"age": {"type": "integer", "minimum": 18}}}
    clients.save()
    text = "email,age\na@x.org,20\n,30\nb@x.org,ten\nc@x.org,9\na@x.org,21\nd@x.org,1,2\ne@x.org,19\n"
    file = upload(text)
    looked = preview(file)
    done = run(file)
    reasons = dict(RejectedFileRow.objects.values_list("line", "reason"))
    assert set(data_of(clients)) == {"a@x.org", "e@x.org"}
    assert (looked.good, looked.looked) == (done.created, done.done) == (2, 7)
    assert {one.row.line: one.reason for one in looked.wrong} == reasons
    assert reasons == {
        3: "email: the cell is empty, but it names the record.",
        4: "age: “ten” is not a whole number.",
        5: "age: 9 is less than the minimum of 18",
        6: "The key “a@x.org” stands further up in the file already; "
        "only the first row of a key is looked at.",
        7: "3 cells, but the file has 2 columns.",
    }


def test_fields_without_a_column_stay_unless_the_row_replaces_the_record(clients: RecordType, upload: Upload):
    old = {"email": "a@x.org", "plan": "gold", "address": {"city": "Rome", "zip": "1"}}
    upsert(clients, [Given("a@x.org", old)])
    fields = {"email": "email", "name": "name", "city": "address.city"}
    text = "email,name,city\na@x.org,,Oslo\n"
    run(upload(text, **fields))
    assert data_of(clients)["a@x.org"] == {**old, "address": {"city": "Oslo", "zip": "1"}}
    file = upload(text, **fields)
    file.replace = True
    run(file)
    assert data_of(clients)["a@x.org"] == {"email": "a@x.org", "address": {"city": "Oslo"}}


def test_a_deleted_record_begins_anew(clients: RecordType, upload: Upload):
    upsert(clients, [Given("a@x.org", {"email": "a@x.org", "old": 1})])
    delete(clients, "a@x.org")
    run(upload("email\na@x.org\n"))
    assert data_of(clients) == {"a@x.org": {"email": "a@x.org"}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"email": "mail"}, "No column gives the field “email”"),
        ({"email": "email", "name": "email"}, "Two columns go into the field “email”"),
        ({"email": "email", "name": "a..b"}, "is no name of a field"),
        ({"email": "email", "name": "email.x"}, "cannot be a value and have parts"),
    ],
)
def test_columns_that_do_not_fit_keep_an_import_from_beginning(upload: Upload, fields: Any, told: str):
    file = upload("email,name\na@x.org,A\n", **fields)
    assert any(told in text for text in column_problems(file.type, file.columns))
    assert importing.begin(file, remember=True)
    assert not ImportMapping.objects.exists()
    assert importing.run_until_idle() == 0


def test_columns_are_remembered_for_the_next_file_and_for_mended_rows(clients: RecordType, upload: Upload):
    run(upload("Mail,Who\na@x.org,A\n", Mail="email", Who="name"), remember=True)
    again = upload("Who,Mail\nB,b@x.org\n")
    assert [column["field"] for column in again.columns] == ["name", "email"]
    assert again.mapping == ImportMapping.objects.get()
    mended = upload("line,reason,Mail,Who\n2,why,c@x.org,C\n")
    assert run(mended, remember=True).created == 1
    assert data_of(clients)["c@x.org"] == {"email": "c@x.org", "name": "C"}


def test_a_workbook_becomes_records(clients: RecordType, upload: Upload):
    rows = [["email", "paid", "n"], ["a@x.org", True, 3], [None, None, None], ["b@x.org", False, 2.5]]
    assert run(upload(workbook(rows), "c.xlsx")).created == 2
    assert data_of(clients)["b@x.org"] == {"email": "b@x.org", "paid": False, "n": 2.5}


def test_a_file_that_breaks_off_keeps_the_rows_before_and_can_be_read_otherwise(
    clients: RecordType, upload: Upload
):
    raw = b"email,name\n" + b"".join(b"%d@x.org,A\n" % n for n in range(25_000)) + b"z@x.org,\xe9\n"
    file = upload(raw)
    done = run(file)
    assert done.state == ImportState.FAILED
    assert "is not UTF-8 text" in done.message
    assert 0 < done.created < 25_001
    assert screens.reopen(done)
    again = FileImport.objects.get(pk=done.pk)
    screens.read_otherwise(again, {"encoding": "cp1252"})
    finished = run(again)
    assert (finished.state, finished.rejected) == ("completed", 0)
    assert data_of(clients)["z@x.org"]["name"] == "é"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)


def lines(count: int) -> str:
    return "\n".join(["email", *(f"{n}@x.org" for n in range(count))])


def test_a_killed_import_goes_on_after_the_rows_that_are_settled(
    small: None, clients: RecordType, upload: Upload, monkeypatch: pytest.MonkeyPatch
):
    file = upload(lines(7) + "\n0@x.org\n")
    importing.begin(file, remember=False)
    held = importing.claim()
    assert held is not None
    written = importing._settle

    def die(*args: Any) -> None:
        written(*args)
        if held.cursor >= 4:
            raise SystemExit

    monkeypatch.setattr(importing, "_settle", die)
    with pytest.raises(SystemExit):
        importing.advance(held)
    monkeypatch.setattr(importing, "_settle", written)
    assert importing.run_until_idle() == 0  # it is still held
    FileImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    importing.run_until_idle()
    done = FileImport.objects.get()
    # Rows settled before count once, and their keys are known still.
    assert (done.created, done.unchanged, done.rejected, done.cursor) == (7, 0, 1, 8)


def test_whoever_lost_an_import_writes_nothing(small: None, clients: RecordType, upload: Upload):
    importing.begin(upload(lines(3)), remember=False)
    first = importing.claim()
    FileImport.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    second = importing.claim()
    assert first is not None
    assert second is not None
    importing.advance(first)
    assert not Record.objects.exists()
    importing.advance(second)
    assert FileImport.objects.get().created == 3


def test_a_cancelled_import_stops_at_what_is_settled(
    small: None, clients: RecordType, upload: Upload, monkeypatch: pytest.MonkeyPatch
):
    importing.begin(upload(lines(6)), remember=False)
    held = importing.claim()
    assert held is not None
    written = importing._settle

    def cancelled(*args: Any) -> None:
        written(*args)
        importing.cancel(held)

    monkeypatch.setattr(importing, "_settle", cancelled)
    importing.advance(held)
    done = FileImport.objects.get()
    assert (done.state, done.created, Record.objects.count()) == ("cancelled", 2, 2)
    jobs.prune()
    assert not FileChunk.objects.exists()
    with pytest.raises(Lost):
        importing._write(held, "cursor")


def test_too_many_rows_are_refused_after_those_that_fit(
    small: None, clients: RecordType, upload: Upload, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importing, "MAX_ROWS", 4)
    done = run(upload(lines(9)))
    assert (done.state, done.created) == ("failed", 4)
    assert "A file may have 4 rows." in done.message


def test_uploads_that_nobody_went_on_with_are_removed(clients: RecordType, upload: Upload):
    upload(CLIENTS)
    kept = upload(CLIENTS)
    FileImport.objects.exclude(pk=kept.pk).update(created_at=timezone.now() - timedelta(days=8))
    jobs.prune()
    assert FileImport.objects.get() == kept
    assert set(FileChunk.objects.values_list("file", flat=True)) == {kept.pk}


def test_lists_in_cells_are_read_as_json(clients: RecordType, upload: Upload):
    file = upload(json.dumps({"email": "a@x.org", "tags": ["a"]}) + "\n", "x.ndjson")
    assert file.columns[1]["kind"] == "json"
    run(file)
    assert data_of(clients)["a@x.org"]["tags"] == ["a"]
