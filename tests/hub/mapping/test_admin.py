"""The rules editor and its preview."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership
from hub.mapping.models import FieldMapping
from tests import factories as make

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
    assert offered == {"events": [], "integrations": []}
