"""The rules editor and its preview."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.mapping.models import FieldMapping
from tests import factories as make
from tests.conftest import Door

TARGET = "hubspot:contact.upsert"
RULE = {"source": "data.email", "transforms": [], "target": "email", "required": True}


@pytest.fixture
def membership(db: None) -> Membership:
    """An admin."""
    return make.MembershipFactory()


@pytest.fixture
def client(membership: Membership) -> Client:
    """The admin's browser."""
    browser = Client()
    browser.force_login(membership.user)
    return browser


def save(client: Client, organization: Any, rules: list[Any], name: str = "Contacts") -> Any:
    data = {"organization": organization.pk, "name": name, "target": TARGET, "rules": json.dumps(rules)}
    return client.post(reverse("admin:mapping_fieldmapping_add"), data)


def preview(client: Client, **asked: Any) -> dict[str, Any]:
    answer = client.post(reverse("admin:mapping_preview"), json.dumps(asked), content_type="application/json")
    assert answer.status_code == 200
    return answer.json()


def test_rules_are_saved_for_the_chosen_action(client: Client, membership: Membership) -> None:
    assert save(client, membership.organization, [RULE]).status_code == 302
    mapping = FieldMapping.objects.get()
    assert (mapping.provider_slug, mapping.action, mapping.slug) == ("hubspot", "contact.upsert", "contacts")
    assert mapping.rules == [RULE]


def test_a_wrong_rule_is_marked_and_nothing_is_lost(client: Client, membership: Membership) -> None:
    answer = save(client, membership.organization, [RULE, {**RULE, "source": "data.[", "target": "phone"}])
    assert answer.status_code == 422
    assert not FieldMapping.objects.exists()
    assert [problem["rule"] for problem in answer.context["editor"]["problems"]] == [2]
    assert answer.context["editor"]["rules"][1]["source"] == "data.["


def test_a_second_mapping_of_the_same_name_is_refused(client: Client, membership: Membership) -> None:
    save(client, membership.organization, [RULE])
    assert "Another mapping has this name" in save(client, membership.organization, [RULE]).content.decode()


def test_preview_shows_the_request_and_masks_secrets(client: Client, membership: Membership) -> None:
    secret = "pat-eu1-SENTINEL-0000-0000-0000-000000000000"
    integration = make.IntegrationFactory(
        organization=membership.organization,
        provider_slug="hubspot",
        credential__secrets={"access_token": secret, "private_app_token": secret, "token": secret},
    )
    event = make.EventFactory(organization=membership.organization, data={"email": "Ann@Example.com"})
    shown = preview(client, target=TARGET, integration=str(integration.pk), event=str(event.pk), rules=[RULE])
    assert shown["problems"] == []
    assert "/crm/v3/objects/contacts/batch/upsert" in shown["html"]
    assert "SENTINEL" not in shown["html"]
    assert {"path": "data.email", "value": "“Ann@Example.com”"} in shown["paths"]
    assert shown["values"] == {"1": "“Ann@Example.com”"}


def test_preview_puts_problems_at_their_rules(client: Client, membership: Membership) -> None:
    event = make.EventFactory(organization=membership.organization, data={"name": "Ann"})
    shown = preview(client, target=TARGET, integration="", event=str(event.pk), rules=[RULE])
    assert [problem["rule"] for problem in shown["problems"]] == [1]
    assert "It would not be sent." in shown["html"]


def test_preview_without_a_rule_says_to_add_one_and_folds_what_does_not_fit(
    client: Client, membership: Membership
) -> None:
    data = {"odd": 1, "strange": 2, "queer": 3, "weird": 4, "email": "no address"}
    event = make.EventFactory(organization=membership.organization, data=data)
    asked = {"target": TARGET, "integration": "", "event": str(event.pk)}
    none = preview(client, rules=[], **asked)["html"]
    assert "No rule yet" in none
    assert "It would not be sent." not in none
    assert "What does not fit (5)" in none
    assert "It would not be sent." in preview(client, rules=[RULE], **asked)["html"]


def test_preview_takes_pasted_json_and_says_where_it_is_none(client: Client) -> None:
    good = preview(
        client, target=TARGET, integration="", event="", pasted='{"email": "a@b.co"}', rules=[RULE]
    )
    assert "a@b.co" in good["html"]
    assert "is no JSON" in preview(client, target=TARGET, pasted="{oops", rules=[])["html"]


def test_preview_reads_no_event_of_another_organization(client: Client) -> None:
    event = make.EventFactory(data={"email": "stranger@example.com"})
    shown = preview(client, target=TARGET, integration="", event=str(event.pk), rules=[RULE])
    assert "stranger@example.com" not in shown["html"]
    offered = client.get(reverse("admin:mapping_sources")).json()
    assert offered == {"events": [], "integrations": [], "may_send": True}


def test_preview_sends_nothing(client: Client, membership: Membership, door: Door) -> None:
    integration = make.IntegrationFactory(
        organization=membership.organization,
        provider_slug="slack",
        settings={"channel": "C0123456789"},
        credential__secrets={"bot_token": "xoxb-SENTINEL-0000000000"},
    )
    rule = {"source": "data.email", "transforms": [], "target": "text", "required": True}
    asked = {"integration": str(integration.pk), "pasted": '{"email": "a@b.co"}', "rules": [rule]}
    shown = preview(client, target=":message.post", **asked)
    assert "a@b.co" in shown["html"]
    assert "SENTINEL" not in shown["html"]
    assert door.requests == []


def test_preview_uses_no_integration_of_another_organization(client: Client) -> None:
    integration = make.IntegrationFactory(provider_slug="slack", name="A stranger's")
    rule = {"source": "data.email", "transforms": [], "target": "text", "required": True}
    asked = {"integration": str(integration.pk), "pasted": '{"email": "a@b.co"}', "rules": [rule]}
    shown = preview(client, target=":message.post", **asked)
    assert "Connect a service that can do this" in shown["html"]


def test_sources_are_those_of_the_mappings_organization(client: Client, membership: Membership) -> None:
    other = make.MembershipFactory(user=membership.user).organization
    mine = make.EventFactory(organization=membership.organization)
    make.EventFactory(organization=other)
    address = reverse("admin:mapping_sources")
    offered = client.get(address, {"organization": membership.organization.pk}).json()
    assert [entry["id"] for entry in offered["events"]] == [str(mine.pk)]


def test_events_of_the_mappings_routes_come_first(client: Client, membership: Membership) -> None:
    organization = membership.organization
    mapping = make.FieldMappingFactory(organization=organization)
    make.RouteFactory(organization=organization, mapping=mapping, type_pattern="user.*")
    wanted = make.EventFactory(organization=organization, type="user.left")
    make.EventFactory(organization=organization, type="order.paid")
    kind = make.EventTypeFactory(organization=organization, example={"email": "example@b.co"})
    asked = {"organization": organization.pk, "mapping": mapping.pk}
    offered = client.get(reverse("admin:mapping_sources"), asked).json()["events"]
    assert [entry["group"] for entry in offered] == [
        "Events its routes take",
        "Other events",
        "Examples of event types",
    ]
    assert offered[0]["id"] == str(wanted.pk)
    shown = preview(client, target=TARGET, event=f"example:{kind.pk}", rules=[RULE])
    assert "example@b.co" in shown["html"]


def test_a_mapping_for_a_capability_keeps_it(client: Client, membership: Membership) -> None:
    mapping = make.FieldMappingFactory(
        organization=membership.organization, name="Receipt", action="email.send", rules=[]
    )
    address = reverse("admin:mapping_fieldmapping_change", args=[mapping.pk])
    shown = client.get(address)
    assert shown.context["target"] == ":email.send"
    data = {"name": "Receipt", "slug": mapping.slug, "target": ":email.send"}
    wrong = client.post(address, {**data, "rules": json.dumps([{**RULE, "target": "nowhere"}])})
    assert "a field of the action" in json.dumps(wrong.context["editor"]["problems"])
    right = client.post(address, {**data, "rules": json.dumps([{**RULE, "target": "to"}])})
    assert right.status_code == 302
    mapping.refresh_from_db()
    assert (mapping.provider_slug, mapping.action) == ("", "email.send")


def test_a_mapping_for_a_provider_that_is_gone_keeps_what_it_was_made_for(
    client: Client, membership: Membership
) -> None:
    mapping = make.FieldMappingFactory(
        organization=membership.organization, provider_slug="gone", action="gone.do"
    )
    address = reverse("admin:mapping_fieldmapping_change", args=[mapping.pk])
    data = {"name": "Kept", "slug": mapping.slug, "target": "gone:gone.do", "rules": json.dumps([RULE])}
    assert client.post(address, data).status_code == 302
    mapping.refresh_from_db()
    assert (mapping.provider_slug, mapping.action) == ("gone", "gone.do")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_change_mappings_and_all_may_look(db: None, role: Role) -> None:
    member = make.MembershipFactory(role=role)
    mapping = make.FieldMappingFactory(organization=member.organization, rules=[RULE])
    browser = Client()
    browser.force_login(member.user)
    address = reverse("admin:mapping_fieldmapping_change", args=[mapping.pk])
    assert "only admins change mappings" in browser.get(address).content.decode()
    data = {"name": "Taken over", "slug": mapping.slug, "target": TARGET, "rules": "[]"}
    assert browser.post(address, data).status_code == 403
    assert browser.get(reverse("admin:mapping_fieldmapping_add")).status_code == 403
    assert "a@b.co" in preview(browser, target=TARGET, pasted='{"email": "a@b.co"}', rules=[RULE])["html"]


def test_a_strangers_mapping_is_not_there(client: Client) -> None:
    mapping = make.FieldMappingFactory()
    address = reverse("admin:mapping_fieldmapping_change", args=[mapping.pk])
    assert client.get(address).status_code == 404
    assert client.post(address, {"name": "Mine now", "rules": "[]"}).status_code == 404
