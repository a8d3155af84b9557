"""Routes, event types and test events in the admin."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.events.models import Event, EventType, Route
from tests import factories as make


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


def route_data(membership: Membership, **changes: Any) -> dict[str, Any]:
    integration = make.IntegrationFactory(organization=membership.organization, provider_slug="slack")
    data = {
        "organization": membership.organization.pk,
        "name": "Paid orders",
        "slug": "paid-orders",
        "enabled": "on",
        "type_pattern": "order.*",
        "filter": "",
        "integration": integration.pk,
        "action": integration.provider.actions[0].name,
        "mapping": "",
        "priority": "0",
        "delay": "0",
        "purpose": "",
        "fallbacks-TOTAL_FORMS": "0",
        "fallbacks-INITIAL_FORMS": "0",
    }
    return {**data, **changes}


def add(client: Client, data: dict[str, Any]) -> Any:
    return client.post(reverse("admin:events_route_add"), data)


def test_a_route_with_a_fallback(client: Client, membership: Membership) -> None:
    second = make.IntegrationFactory(organization=membership.organization, provider_slug="sendgrid")
    fallback = {
        "fallbacks-TOTAL_FORMS": "1",
        "fallbacks-0-position": "1",
        "fallbacks-0-integration": second.pk,
        "fallbacks-0-action": second.provider.actions[0].name,
    }
    answer = add(client, route_data(membership, **fallback))
    assert answer.status_code == 302, answer.context["errors"]
    assert Route.objects.get().fallbacks.get().integration == second


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type_pattern": "order paid"}, "A type pattern has letters"),
        ({"filter": "data.["}, "no valid JMESPath"),
        ({"action": "email.send"}, "cannot do this"),
    ],
)
def test_a_wrong_route_is_explained(
    client: Client, membership: Membership, changes: dict[str, Any], sentence: str
) -> None:
    answer = add(client, route_data(membership, **changes))
    assert sentence in answer.content.decode()
    assert not Route.objects.exists()


def test_a_route_leads_to_its_own_organization_only(client: Client, membership: Membership) -> None:
    foreign = make.IntegrationFactory(provider_slug="slack")
    assert add(client, route_data(membership, integration=foreign.pk)).status_code == 200
    # Somebody who is admin of both still cannot mix them.
    make.MembershipFactory(user=membership.user, organization=foreign.organization)
    answer = add(client, route_data(membership, integration=foreign.pk))
    assert "belongs to another organization" in answer.content.decode()
    assert not Route.objects.exists()


def test_switching_a_route_off_stays_in_the_list(client: Client, membership: Membership) -> None:
    route = make.RouteFactory(organization=membership.organization)
    answer = client.post(reverse("admin:events_route_do", args=[route.pk, "toggle"]))
    assert answer["Location"] == reverse("admin:events_route_changelist")
    route.refresh_from_db()
    assert route.enabled is False


def test_an_event_types_schema_and_example_are_checked(client: Client, membership: Membership) -> None:
    data = {
        "organization": membership.organization.pk,
        "name": "order.paid",
        "on_invalid": "warn",
        "schema": '{"type": "object", "required": ["id"]}',
        "example": '{"total": 1}',
    }
    address = reverse("admin:events_eventtype_add")
    assert "does not fit the schema" in client.post(address, data).content.decode()
    assert client.post(address, {**data, "schema": '{"type": "nonsense"}'}).status_code == 200
    assert not EventType.objects.exists()
    assert client.post(address, {**data, "example": '{"id": 1}'}).status_code == 302
    assert EventType.objects.get().schema == {"type": "object", "required": ["id"]}


def test_a_test_event_travels_like_any_other(client: Client, membership: Membership) -> None:
    make.RouteFactory(organization=membership.organization, type_pattern="order.*", name="To the shop")
    data = {"organization": membership.organization.pk, "type": "order.paid", "payload": '{"id": 1}'}
    answer = client.post(reverse("admin:events_event_send"), data)
    event = Event.objects.get()
    assert answer["Location"] == reverse("admin:events_event_change", args=[event.pk])
    assert (event.origin, event.data) == ("admin", {"id": 1})
    assert "To the shop" in client.get(answer["Location"]).content.decode()


def test_a_test_event_that_intake_refuses_is_explained(client: Client, membership: Membership) -> None:
    data = {"organization": membership.organization.pk, "type": "order paid", "payload": "{}"}
    answer = client.post(reverse("admin:events_event_send"), data)
    assert answer.status_code == 422
    assert "joined by dots" in answer.content.decode()


def test_operators_send_test_events_and_viewers_do_not(membership: Membership) -> None:
    for role, status in ((Role.OPERATOR, 200), (Role.VIEWER, 403)):
        browser = Client()
        browser.force_login(make.MembershipFactory(organization=membership.organization, role=role).user)
        assert browser.get(reverse("admin:events_event_send")).status_code == status


def test_replay_says_so_where_no_route_wants_the_event(client: Client, membership: Membership) -> None:
    event = make.EventFactory(organization=membership.organization)
    address = reverse("admin:events_event_do", args=[event.pk, "replay"])
    assert "No route wants this event" in client.post(address, follow=True).content.decode()
