"""Quality in the pages of record types and integrations, and the pages of changed fields."""

from typing import Any

import pytest
from django.test import Client

from hub.accounts.models import Role
from hub.quality.models import Drift, QualityCheck, QualityRule
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import Given, upsert
from tests.factories import IntegrationFactory, MembershipFactory, RecordTypeFactory
from tests.hub.dashboard.world import records
from tests.hub.quality.conftest import check

pytestmark = pytest.mark.django_db


def signed_in(kind: RecordType, role: Role = Role.ADMIN) -> Client:
    client = Client()
    client.force_login(MembershipFactory(organization=kind.organization, role=role).user)
    return client


def page_of(kind: RecordType) -> str:
    return f"/admin/sync/recordtype/{kind.pk}/change/"


def test_a_rule_is_made_in_the_types_page_and_its_offenders_are_listed(clients: RecordType):
    upsert(clients, [Given("1", {"name": "Ann", "mail": "a"}), Given("2", {"name": "Bob"})])
    crm = IntegrationFactory(organization=clients.organization, name="The CRM")
    ExternalLink.objects.create(record=Record.objects.get(key="2"), integration=crm)
    client = signed_in(clients)
    assert "No rule yet" in client.get(page_of(clients)).text
    made = {"type": clients.pk, "field": "mail", "kind": "required", "enabled": "on"}
    answer = client.post(f"/admin/quality/qualityrule/add/?type={clients.pk}", made)
    assert answer["Location"] == page_of(clients)
    assert "being checked" in client.get(page_of(clients)).text
    check(clients)
    text = client.get(page_of(clients)).text
    for word in ("mail must be filled in", "50.0 %", "The CRM", "0.0 %", "1 of 2 records keep every rule"):
        assert word in text
    rule = QualityRule.objects.get()
    listed = client.get(f"/admin/quality/qualityrule/{rule.pk}/change/").text
    assert "Bob" in listed
    assert "mail is empty" in listed
    there = client.get(f"/admin/connections/integration/{crm.pk}/change/").text
    assert "0 of 1 record keep every rule" in there


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "required", "field": ""}, "Which field?"),
        ({"kind": "unique", "field": "a'b"}, "parts with dots"),
        ({"kind": "pattern"}, "Which pattern?"),
        ({"kind": "pattern", "pattern": "(a+)+"}, "may take for ever"),
        ({"kind": "range"}, "Give a number"),
        ({"kind": "range", "minimum": "5", "maximum": "1"}, "Must be 5 or more."),
        ({"kind": "fresh"}, "How many days?"),
    ],
)
def test_a_rule_that_lacks_something_is_refused_beside_its_field(clients: RecordType, fields: Any, told: str):
    data = {"type": clients.pk, "field": "x", "enabled": "on", **fields}
    assert told in signed_in(clients).post("/admin/quality/qualityrule/add/", data).text
    assert not QualityRule.objects.exists()


def test_a_rule_of_a_strangers_type_cannot_be_made(clients: RecordType):
    stranger = signed_in(RecordTypeFactory())
    data = {"type": clients.pk, "field": "x", "kind": "required", "enabled": "on"}
    stranger.post("/admin/quality/qualityrule/add/", data)
    assert not QualityRule.objects.exists()


def test_an_operator_has_the_records_checked_and_makes_no_rule(clients: RecordType):
    upsert(clients, [Given("1", {})])
    QualityRule.objects.create(type=clients, field="id", kind="required")
    check(clients)
    client = signed_in(clients, Role.OPERATOR)
    assert "Add the rule" not in client.get(page_of(clients)).text
    client.post(f"/admin/sync/recordtype/{clients.pk}/do/check-quality/")
    assert QualityCheck.objects.get().wanted
    data = {"type": clients.pk, "field": "x", "kind": "required", "enabled": "on"}
    assert client.post("/admin/quality/qualityrule/add/", data).status_code == 403


def test_changed_fields_stand_on_the_home_page_until_somebody_has_seen_them(clients: RecordType):
    integration = IntegrationFactory(organization=clients.organization, provider_slug="stripe", name="Shop")
    drift = records(clients.organization, integration)["drift"]
    client = signed_in(clients, Role.OPERATOR)
    home = client.get("/admin/").text
    assert "Providers changed their fields" in home
    assert "Shop: customers" in home
    assert "Not seen yet" in client.get(f"/admin/quality/drift/{drift.pk}/change/").text
    viewer = signed_in(clients, Role.VIEWER)
    assert viewer.post(f"/admin/quality/drift/{drift.pk}/do/acknowledge/").status_code == 403
    client.post(f"/admin/quality/drift/{drift.pk}/do/acknowledge/")
    assert Drift.objects.get().acknowledged_at is not None
    assert "Providers changed their fields" not in client.get("/admin/").text
    assert "Seen" in client.get(f"/admin/connections/integration/{integration.pk}/change/").text
