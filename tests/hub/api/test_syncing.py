"""Runs are steered, dry runs read, and conflicts decided by the API."""

from typing import Any

import pytest

from hub.accounts.models import Membership
from hub.identity import tokens
from hub.sync.models import Conflict, ExternalLink, Record, RunChange, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.starting import start
from tests.factories import IntegrationFactory, RecordTypeFactory, SyncFactory, UserFactory
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db


@pytest.fixture
def sync(api: API) -> Sync:
    kind = RecordTypeFactory(organization=api.organization, name="customer")
    crm = IntegrationFactory(organization=api.organization, slug="crm")
    return SyncFactory(type=kind, integration=crm, slug="from-crm")


@pytest.fixture
def conflict(sync: Sync) -> Conflict:
    upsert(sync.type, [Given("1", {"id": "1", "name": "Anna", "city": "Rome"})])
    record = Record.objects.get()
    ExternalLink.objects.create(
        record=record, integration=sync.integration, external_id="x", read={"id": "1"}
    )
    fields = {"name": {"hub": "Anna", "provider": "Anne"}, "city": {"hub": "Rome", "provider": "Oslo"}}
    return Conflict.objects.create(
        organization=sync.organization, sync=sync, integration=sync.integration, record=record, fields=fields
    )


def test_a_run_is_paused_resumed_and_cancelled(api: API, sync: Sync):
    path = f"/api/sync-runs/{start(sync).pk}"
    assert api.post(f"{path}/pause").json()["state"] == "paused"
    assert api.post(f"{path}/resume").json()["state"] == "pending"
    assert api.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert api.post(f"{path}/pause").status_code == 409
    assert api.post(f"{path}/explode").status_code == 404


def test_what_a_dry_run_would_change_is_listed(api: API, sync: Sync):
    run = start(sync, dry_run=True)
    RunChange.objects.create(run=run, key="1", kind="updated", before={"a": 1}, after={"a": 2})
    told = api.get(f"/api/sync-runs/{run.pk}/changes").json()
    assert told["results"] == [{"key": "1", "kind": "updated", "before": {"a": 1}, "after": {"a": 2}}]


def test_conflicts_are_listed_and_decided_field_by_field(api: API, conflict: Conflict):
    (told,) = api.get("/api/sync-conflicts").json()["results"]
    assert (told["key"], told["fields"]["name"]) == ("1", {"hub": "Anna", "provider": "Anne"})
    path = f"/api/sync-conflicts/{conflict.pk}"
    assert api.post(path, {"fields": {"name": "provider"}}).status_code == 400  # nothing about the city
    answer = api.post(path, {"fields": {"name": "provider", "city": "hub"}})
    assert (answer.status_code, answer.json()["chosen"]) == (200, "fields")
    assert Record.objects.get().data == {"id": "1", "name": "Anne", "city": "Rome"}
    assert api.post(path, {"choice": "hub"}).status_code == 409
    assert api.get("/api/sync-conflicts").json()["results"] == []
    assert len(api.get("/api/sync-conflicts", state="decided").json()["results"]) == 1


def test_a_decision_names_who_made_it(api: API, conflict: Conflict):
    path = f"/api/sync-conflicts/{conflict.pk}"
    ann = UserFactory(username="ann")
    Membership.objects.create(organization=api.organization, user=ann, role="admin")
    person = {"Authorization": f"Bearer {tokens.begin(ann).access}", "X_Organization": api.organization.slug}
    assert api.post(path, {"choice": "hub"}, **person).status_code == 200
    assert Conflict.objects.get().decided_by == "ann"


@pytest.mark.parametrize("choice", ["hub", "provider"])
def test_a_record_that_is_linked_no_more_cannot_be_decided_about(api: API, conflict: Conflict, choice: str):
    ExternalLink.objects.all().delete()
    answer = api.post(f"/api/sync-conflicts/{conflict.pk}", {"choice": choice})
    assert answer.status_code == 409
    assert "not linked to" in answer.json()["detail"]
    assert Conflict.objects.get().chosen == ""
    assert Record.objects.get().data == {"id": "1", "name": "Anna", "city": "Rome"}


@pytest.mark.parametrize("body", [{}, {"choice": "both"}, {"choice": "hub", "fields": {"name": "hub"}}])
def test_half_a_decision_is_none(api: API, conflict: Conflict, body: dict[str, Any]):
    assert api.post(f"/api/sync-conflicts/{conflict.pk}", body).status_code == 400
    assert Conflict.objects.get().chosen == ""


def test_another_organizations_are_not_there(api: API):
    stranger = SyncFactory(integration=IntegrationFactory(slug="crm"))
    upsert(stranger.type, [Given("1", {"id": "1"})])
    foreign = Conflict.objects.create(
        organization=stranger.organization,
        sync=stranger,
        integration=stranger.integration,
        record=Record.objects.get(),
        fields={"name": {"hub": 1, "provider": 2}},
    )
    run = start(stranger)
    assert api.get("/api/sync-conflicts").json()["results"] == []
    assert api.post(f"/api/sync-conflicts/{foreign.pk}", {"choice": "hub"}).status_code == 404
    assert api.post(f"/api/sync-runs/{run.pk}/cancel").status_code == 404
    assert api.get(f"/api/sync-runs/{run.pk}/changes").status_code == 404
    assert SyncRun.objects.get().state == "pending"
