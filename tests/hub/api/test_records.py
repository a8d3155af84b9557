"""Records by the API: one by its key, and many as a stream."""

import gzip
from typing import Any

import pytest

from hub.accounts.models import Scope
from hub.sync.models import ExternalLink, Record, RecordType, SyncRun
from tests.factories import IntegrationFactory, RecordTypeFactory, SyncFactory
from tests.hub.api.conftest import API, PROBLEM

SCHEMA = {"required": ["name"]}


@pytest.fixture
def customers(api: API) -> RecordType:
    return RecordTypeFactory(organization=api.organization, name="customer", schema=SCHEMA)


def put(api: API, path: str, data: Any) -> Any:
    return api.client.put(path, data, content_type="application/json", headers=api.headers)


def test_put_creates_replaces_and_leaves_alone(api: API, customers: RecordType):
    results = [
        put(api, "/api/records/customer/a%2Fb", data)
        for data in ({"name": "A"}, {"name": "A"}, {"name": "B"})
    ]
    assert [(answer.status_code, answer.json()["result"]) for answer in results] == [
        (201, "created"),
        (200, "unchanged"),
        (200, "updated"),
    ]
    assert Record.objects.get().key == "a/b"


def test_get_tells_what_each_integration_holds(api: API, customers: RecordType):
    put(api, "/api/records/customer/1", {"name": "Ann"})
    integration = IntegrationFactory(organization=api.organization, slug="crm")
    ExternalLink.objects.create(record=Record.objects.get(), integration=integration, external_id="c-1")
    answer = api.get("/api/records/customer/1").json()
    assert (answer["data"], answer["deleted"]) == ({"name": "Ann"}, False)
    assert [(link["integration"], link["external_id"], link["in_step"]) for link in answer["links"]] == [
        ("crm", "c-1", False)
    ]


def test_delete_marks_it_once(api: API, customers: RecordType):
    put(api, "/api/records/customer/1", {"name": "Ann"})
    path = "/api/records/customer/1"
    assert api.client.delete(path, headers=api.headers).status_code == 204
    assert api.client.delete(path, headers=api.headers).status_code == 404
    assert api.get(path).json()["deleted"] is True


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}"])
def test_what_is_no_record_is_refused_as_a_problem(api: API, customers: RecordType, body: bytes):
    answer = api.client.put(
        "/api/records/customer/1", body, content_type="application/json", headers=api.headers
    )
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    assert answer.json()["errors"][0]["message"]


def test_another_organizations_types_are_not_there(api: API, db: Any):
    RecordTypeFactory(name="customer")
    assert put(api, "/api/records/customer/1", {}).status_code == 404


def test_each_way_needs_its_scope(customers: RecordType):
    reader = API(customers.organization, [Scope.RECORDS_READ])
    writer = API(customers.organization, [Scope.RECORDS_WRITE])
    assert put(reader, "/api/records/customer/1", {"name": "A"}).status_code == 403
    assert put(writer, "/api/records/customer/1", {"name": "A"}).status_code == 201
    assert writer.get("/api/records/customer/1").status_code == 403
    assert writer.post("/api/integrations/sync", {}).status_code == 403


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-ndjson", b'{"id": "1", "name": "A"}\n{"id": "2"}\n'),
        ("text/csv; charset=utf-8", b"id,name\n1,A\n2,\n"),
        # Without the time of compressing, so that every parallel worker finds the same case.
        ("text/csv", gzip.compress(b"id,name\n1,A\n2,\n", mtime=0)),
    ],
)
def test_a_stream_of_rows_is_taken_row_by_row(api: API, customers: RecordType, kind: str, body: bytes):
    answer = api.post("/api/records/customer/bulk", body, kind).json()
    assert (answer["created"], answer["rejected"]) == (1, 1)
    assert "'name' is a required property" in answer["errors"][0]["reason"]
    assert Record.objects.get().data["name"] == "A"


def test_a_stream_of_another_kind_is_refused(api: API, customers: RecordType):
    assert api.post("/api/records/customer/bulk", b"{}").status_code == 415
    assert api.post("/api/records/customer/bulk", b"\n", "text/csv").status_code == 400


def test_a_sync_is_started_once_and_followed(api: API, customers: RecordType):
    integration = IntegrationFactory(organization=api.organization, slug="crm")
    SyncFactory(type=customers, integration=integration, slug="crm-push")
    asked = {"integration": "crm", "type": "customer", "direction": "push", "filter": "data.name == 'A'"}
    started = api.post("/api/integrations/sync", {**asked, "dry_run": True})
    assert started.status_code == 202
    followed = api.get(started["Location"]).json()
    assert (followed["sync"], followed["state"], followed["dry_run"]) == ("crm-push", "pending", True)
    again = api.post("/api/integrations/sync", asked)
    assert again.status_code == 409
    assert str(SyncRun.objects.get().pk) in again.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"direction": "sideways"}, 400, "direction"),
        ({"filter": "data.["}, 400, "filter"),
        ({"dry_run": "yes"}, 400, "dry_run"),
        ({"dryrun": True}, 400, "dryrun"),
        ({"type": ""}, 400, "type"),
        ({"direction": "pull"}, 404, None),
        ({"integration": "other"}, 404, None),
    ],
)
def test_a_sync_that_cannot_be_started_says_why(
    api: API, customers: RecordType, change: dict[str, Any], status: int, field: str | None
):
    integration = IntegrationFactory(organization=api.organization, slug="crm")
    SyncFactory(type=customers, integration=integration)
    asked = {"integration": "crm", "type": "customer", "direction": "push"}
    answer = api.post("/api/integrations/sync", {**asked, **change})
    assert answer.status_code == status
    assert [error["field"] for error in answer.json().get("errors", [])] == ([field] if field else [])
