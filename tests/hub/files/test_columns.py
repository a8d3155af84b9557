"""Suggestions for columns, and cells as values."""

from typing import Any

import pytest

from hub.files.columns import KINDS, Wrong, convert, field_name, remembered, shape, suggest
from hub.files.models import ImportMapping
from hub.sync.models import RecordType
from hub.sync.records import Given, upsert
from tests.factories import RecordTypeFactory


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("text", " 007 ", "007"),
        ("text", 7, "7"),
        ("text", True, "true"),
        ("text", "'=1+1", "=1+1"),
        ("text", "", None),
        ("email", " Ann@Example.com", "ann@example.com"),
        ("integer", "1,234", 1234),
        ("integer", "-5", -5),
        ("number", "1,234.50", 1234.5),
        ("number", "7", 7),
        ("number_comma", "1.234,50", 1234.5),
        ("number_comma", 12.5, 12.5),
        ("boolean", "Ja", True),
        ("boolean", "0", False),
        ("date", "2026-11-21", "2026-11-21"),
        ("date", "2026-11-21 10:30:00", "2026-11-21T10:30:00"),
        ("date_dmy", "1.2.26", "2026-02-01"),
        ("date_dmy", "2026-02-01", "2026-02-01"),
        ("date_mdy", "2/1/1999", "1999-02-01"),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("json", [1], [1]),
    ],
)
def test_cells_become_values(kind: str, cell: Any, value: Any):
    found = convert(kind, cell)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("email", "ann"),
        ("integer", "1.5"),
        ("integer", "9" * 30),
        ("number", "1.2.3"),
        ("number", "NaN"),
        ("number_comma", "a"),
        ("boolean", "maybe"),
        ("date", "21.11.2026"),
        ("date_dmy", "11/21/2026"),
        ("date_mdy", "21/11/2026"),
        ("json", "{"),
        ("text", "a\x00b"),
    ],
)
def test_what_is_no_such_value_is_told(kind: str, cell: str):
    with pytest.raises(Wrong):
        convert(kind, cell)


def test_every_kind_can_be_converted():
    for kind in KINDS:
        assert convert(kind, None) is None


@pytest.fixture
def clients(db: Any) -> RecordType:
    properties = {
        "email": {"type": "string"},
        "full_name": {"type": "string"},
        "orders": {"type": "integer"},
        "phone": {"type": "string"},
    }
    return RecordTypeFactory(key_field="email", schema={"properties": properties})


def test_columns_find_their_fields_and_kinds(clients: RecordType):
    header = ["E-Mail", "Name, full", "Orders", "Telephone no.", "Joined", "Zip"]
    ann = ["a@x.org", "Ann", "12", "+49 30", "13.02.2026", "01067"]
    samples = [ann, ["b@x.org", "", "", "", "", "10115"]]
    found = {entry["column"]: (entry["field"], entry["kind"]) for entry in suggest(clients, header, samples)}
    assert found == {
        "E-Mail": ("email", "email"),
        "Name, full": ("full_name", "text"),
        "Orders": ("orders", "integer"),
        "Telephone no.": ("telephone_no", "text"),
        "Joined": ("joined", "date_dmy"),
        # Leading zeros are kept.
        "Zip": ("zip", "text"),
    }


def test_a_field_is_suggested_once_for_the_column_most_like_it(clients: RecordType):
    found = suggest(clients, ["Phone (home)", "phone"], [])
    assert [entry["field"] for entry in found] == ["phone_home", "phone"]


def test_where_the_schema_takes_no_other_fields_none_are_made(clients: RecordType):
    clients.schema["additionalProperties"] = False
    assert suggest(clients, ["Shoe size"], [])[0]["field"] == ""


def test_fields_of_records_are_suggested_too(db: Any):
    kind = RecordTypeFactory(key_field="id")
    upsert(kind, [Given("1", {"id": "1", "invoice_total": 5})])
    assert suggest(kind, ["Invoice total"], [["5"]])[0] == {
        "column": "Invoice total",
        "field": "invoice_total",
        "kind": "integer",
    }


def test_the_same_columns_are_remembered_in_any_order_and_with_further_ones(clients: RecordType):
    columns = [{"column": "Mail", "field": "email", "kind": "email"}]
    owner = clients.organization
    kept = ImportMapping.objects.create(
        organization=owner, type=clients, name="x", columns=columns, shape=shape(["Mail", "Zip"])
    )
    assert shape(["zip", "MAIL "]) == kept.shape
    assert remembered(clients, ["ZIP", "mail"]) == kept
    assert remembered(clients, ["line", "reason", "mail"]) == kept
    assert remembered(clients, ["zip"]) is None
    again = suggest(clients, ["line", "mail"], [], kept)
    assert [entry["field"] for entry in again] == ["", "email"]


def test_a_name_becomes_a_fields():
    assert field_name(" E-Mail (work) ") == "e_mail_work"
