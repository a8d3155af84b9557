"""Records come in one by one and as files; what is the same is not written again."""

import gzip
import io
import json

import pytest

from hub.sync.importing import CSV, NDJSON, ImportFailed, import_rows
from hub.sync.models import Record, RecordType
from hub.sync.records import Given, RecordError, delete, fingerprint, read_row, upsert
from tests.factories import RecordTypeFactory

pytestmark = pytest.mark.django_db

SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "vip": {"type": "boolean"}},
    "required": ["name"],
}


@pytest.fixture
def people() -> RecordType:
    return RecordTypeFactory(name="person", subject_field="name", schema=SCHEMA)


def test_an_upsert_creates_replaces_and_leaves_alone(people: RecordType):
    first = upsert(people, [Given("1", {"name": "Ann"}), Given("2", {"name": "Ben"})])
    again = upsert(people, [Given("1", {"name": "Ann"}), Given("2", {"name": "Bob"}), Given("3", {})])
    assert (first.created, first.updated, first.unchanged) == (2, 0, 0)
    assert (again.created, again.updated, again.unchanged) == (1, 1, 1)
    assert again.changed == {"2", "3"}
    assert list(Record.objects.order_by("key").values_list("key", "subject")) == [
        ("1", "Ann"),
        ("2", "Bob"),
        ("3", ""),
    ]


def test_of_a_key_twice_the_last_counts(people: RecordType):
    upsert(people, [Given("1", {"name": "Ann"}), Given("1", {"name": "Anna"})])
    assert Record.objects.get().data == {"name": "Anna"}


def test_the_fingerprint_is_of_the_data_not_of_their_order():
    assert fingerprint({"a": 1, "b": {"c": 2}}) == fingerprint({"b": {"c": 2}, "a": 1})
    assert fingerprint({"a": 2**70}) != fingerprint({"a": 2**71})
    assert fingerprint({"a": 1}) != fingerprint({"a": 1}, deleted=True)


def test_deleting_keeps_the_data_and_is_a_change(people: RecordType):
    upsert(people, [Given("1", {"name": "Ann"})])
    before = Record.objects.get().fingerprint
    assert delete(people, "1")
    assert not delete(people, "1")
    gone = Record.objects.get()
    assert (gone.deleted, gone.data) == (True, {"name": "Ann"})
    assert gone.fingerprint != before
    upsert(people, [Given("1", {"name": "Ann"})])
    assert Record.objects.get().fingerprint == before


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([], "JSON object"),
        ({"name": "Ann"}, "'id'"),
        ({"id": "x" * 201, "name": "Ann"}, "200"),
        ({"id": "1"}, "'name' is a required property"),
    ],
)
def test_a_row_that_is_no_record_says_why(people: RecordType, row: object, reason: str):
    with pytest.raises(RecordError, match=reason):
        read_row(people, row)


def test_a_csv_file_becomes_records_row_by_row(people: RecordType):
    text = "id,name,age,vip\n1,Ann,33,yes\n2,Ben,old,\n3,,5,no\n4,Cy,,,too many\n"
    report = import_rows(people, io.BytesIO(text.encode("utf-8-sig")), CSV)
    assert (report.created, report.rejected) == (1, 3)
    assert Record.objects.get().data == {"id": "1", "name": "Ann", "age": 33, "vip": True}
    assert [line for line, _, _ in report.errors] == [3, 4, 5]
    assert "'old' is not of type 'integer'" in report.errors[0][2]


def test_ndjson_comes_packed_as_well_and_a_bad_line_fails_alone(people: RecordType):
    lines = [json.dumps({"id": n, "name": f"N{n}"}) for n in range(5000)]
    body = gzip.compress("\n".join([*lines[:3], "{broken", *lines[3:]]).encode())
    report = import_rows(people, io.BytesIO(body), NDJSON)
    assert (report.created, report.rejected, Record.objects.count()) == (5000, 1, 5000)
    assert report.errors[0][0] == 4
    again = import_rows(people, io.BytesIO(body), NDJSON)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 5000)


def test_a_file_that_is_cut_off_keeps_what_came_before(people: RecordType):
    body = gzip.compress(b"".join(b'{"id": %d, "name": "N"}\n' % n for n in range(30_000)))
    with pytest.raises(ImportFailed, match="cut off"):
        import_rows(people, io.BytesIO(body[:-200]), NDJSON)
    assert Record.objects.exists()


@pytest.mark.parametrize("text", ["", "id,id\n1,2\n", "\n1\n"])
def test_a_csv_file_without_names_is_refused(people: RecordType, text: str):
    with pytest.raises(ImportFailed, match="first line"):
        import_rows(people, io.BytesIO(text.encode()), CSV)


def test_one_endless_line_is_not_read_into_memory(people: RecordType):
    with pytest.raises(ImportFailed, match="A line may have"):
        import_rows(people, io.BytesIO(b"x" * 3_000_000), NDJSON)
