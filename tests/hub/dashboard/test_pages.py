"""Every page of the admin, for every role: it renders, it keeps secrets and it keeps to the organization."""

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Role
from tests import factories as make
from tests.hub.dashboard.world import SENTINEL, World

LISTS = [
    "index",
    "accounts_organization_changelist",
    "accounts_membership_changelist",
    "accounts_apikey_changelist",
    "identity_invitation_changelist",
    "audit_entry_changelist",
    "connections_integration_changelist",
    "delivery_queueitem_changelist",
    "delivery_integrationlog_changelist",
    "events_event_changelist",
    "events_eventtype_changelist",
    "events_route_changelist",
    "mapping_fieldmapping_changelist",
    "metrics_healthreport_changelist",
    "webhooks_webhookendpoint_changelist",
    "webhooks_receivedwebhook_changelist",
    "files_fileimport_changelist",
    "files_importmapping_changelist",
    "files_export",
    "quality_qualityrule_changelist",
    "quality_drift_changelist",
    "sync_record_changelist",
]
ROWS = [
    "organization",
    "integration",
    "event",
    "event_type",
    "mapping",
    "route",
    "item",
    "log",
    "report",
    "endpoint",
    "received",
    "key",
    "membership",
    "record_type",
    "record",
    "import",
    "import_mapping",
    "rule",
    "drift",
    "invitation",
    "change",
]
FORMS = [
    "connections_connect",
    "events_route_add",
    "events_eventtype_add",
    "mapping_fieldmapping_add",
    "webhooks_webhookendpoint_add",
    "accounts_apikey_add",
    "identity_invitation_add",
]


@pytest.mark.parametrize("role", list(Role))
def test_every_page_renders_and_shows_no_secret(world: World, role: str) -> None:
    client = world.client(role)
    addresses = [reverse(f"admin:{name}") for name in LISTS] + [world.page(name) for name in ROWS]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert SENTINEL not in answer.content.decode(), address


def test_rows_of_another_organization_are_not_there(world: World, elsewhere: World) -> None:
    client = world.client("admin")
    assert {client.get(elsewhere.page(name)).status_code for name in ROWS} == {404}


def test_lists_hold_only_the_own_organization(world: World, elsewhere: World) -> None:
    elsewhere.rows["integration"].name = "Somebody elses service"
    elsewhere.rows["integration"].save()
    for name in ("index", "connections_integration_changelist", "delivery_queueitem_changelist"):
        text = world.client("admin").get(reverse(f"admin:{name}")).content.decode()
        assert "Somebody elses service" not in text
        assert "Stripe Europe" in text


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("operator", 403), ("viewer", 403)])
def test_forms_are_for_admins(world: World, role: str, status: int) -> None:
    client = world.client(role)
    assert {client.get(reverse(f"admin:{name}")).status_code for name in FORMS} == {status}


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_admins_change_rows(world: World, role: str) -> None:
    client = world.client(role)
    assert {client.post(world.page(name), {}).status_code for name in ROWS} == {403}


def test_a_stranger_and_a_member_without_organization_stay_outside(world: World) -> None:
    home = reverse("admin:index")
    assert Client().get(home).status_code == 302
    lonely = Client()
    lonely.force_login(make.UserFactory(is_staff=True))
    assert lonely.get(home).status_code == 302


def test_a_member_signs_in_by_the_form_without_being_staff(world: World) -> None:
    client = Client()
    data = {"username": world.users["viewer"].username, "password": "password"}
    answer = client.post(reverse("admin:login"), data)
    assert answer.status_code == 302
    assert answer["Location"] == reverse("admin:index")


def test_somebody_without_organization_is_told_why(db: None) -> None:
    user = make.UserFactory()
    answer = Client().post(reverse("admin:login"), {"username": user.username, "password": "password"})
    assert "belongs to no organization" in answer.content.decode()


def test_search_finds_rows_by_their_ids(world: World, elsewhere: World) -> None:
    client, item = world.client("viewer"), world.rows["item"]
    for term in (item.pk, item.source_id, item.subject, item.idempotency_key):
        text = client.get(reverse("admin:delivery_queueitem_changelist"), {"q": str(term)}).content.decode()
        assert world.page("item") in text
    text = client.get(reverse("admin:delivery_queueitem_changelist"), {"q": str(elsewhere.rows["item"].pk)})
    assert elsewhere.page("item") not in text.content.decode()


def test_command_palette_finds_only_the_own_organizations_rows(world: World, elsewhere: World) -> None:
    answer = world.client("viewer").get(reverse("admin:search"), {"s": "stripe", "extended": "1"})
    text = answer.content.decode()
    assert world.page("integration") in text
    assert elsewhere.page("integration") not in text
