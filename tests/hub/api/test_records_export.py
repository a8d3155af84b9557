"""Records as a file by the API."""

import csv
import io
from typing import Any

import orjson
import pytest
from openpyxl import load_workbook

from hub.accounts.models import Scope
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import Given, delete, upsert
from tests.factories import IntegrationFactory, RecordTypeFactory
from tests.hub.api.conftest import API, PROBLEM

PATH = "/api/records/customer"


@pytest.fixture
def customers(api: API) -> RecordType:
    kind = RecordTypeFactory(organization=api.organization, name="customer")
    upsert(kind, [Given(str(n), {"id": str(n), "name": f"={n}", "n": n}) for n in range(4)])
    delete(kind, "3")
    return kind


def ids(answer: Any) -> list[str]:
    return [orjson.loads(line)["id"] for line in b"".join(answer.streaming_content).splitlines()]


def test_records_are_streamed_as_asked(api: API, customers: RecordType):
    integration = IntegrationFactory(organization=api.organization, slug="crm")
    ExternalLink.objects.create(record=Record.objects.get(key="1"), integration=integration)
    assert ids(api.get(PATH)) == ["0", "1", "2"]
    assert ids(api.get(PATH, deleted="true")) == ["3"]
    assert ids(api.get(PATH, integration="crm")) == ["1"]
    assert ids(api.get(PATH, filter="data.n > `1`")) == ["2"]
    assert ids(api.get(PATH, changed_since="2999-01-01T00:00:00Z")) == []
    assert ids(api.get(PATH, changed_since="2000-01-01")) == ["0", "1", "2"]
    assert api.get(PATH)["Content-Type"] == "application/x-ndjson"


def test_other_kinds_of_files_hold_no_formula(api: API, customers: RecordType):
    text = b"".join(api.get(PATH, **{"as": "csv"}).streaming_content).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(text)))["name"] == "'=0"
    book = load_workbook(io.BytesIO(b"".join(api.get(PATH, **{"as": "xlsx"}).streaming_content)))
    assert {cell.data_type for row in book.active.iter_rows() for cell in row} == {"s", "n"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("as", "pdf"), ("filter", "a["), ("changed_since", "soon"), ("deleted", "maybe")],
)
def test_what_cannot_be_asked_for_is_named(api: API, customers: RecordType, name: str, value: str):
    answer = api.get(PATH, **{name: value})
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    assert [error["field"] for error in answer.json()["errors"]] == [name]


def test_it_needs_its_scope_and_the_organizations_own_type(customers: RecordType):
    assert API(customers.organization, [Scope.RECORDS_WRITE]).get(PATH).status_code == 403
    assert API(RecordTypeFactory().organization).get(PATH).status_code == 404


def test_a_strangers_integration_is_not_there(api: API, customers: RecordType):
    IntegrationFactory(slug="theirs")
    assert api.get(PATH, integration="theirs").status_code == 404
