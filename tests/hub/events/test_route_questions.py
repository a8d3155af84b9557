"""What a route will take is asked before several are switched on, and before one is saved."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.events.models import Route
from tests import factories as make
from tests.hub.events.test_admin import route_data

LIST = "admin:events_route_changelist"


@pytest.fixture
def membership(db: None) -> Membership:
    """An admin in whose organization three paid orders are stored."""
    made = make.MembershipFactory()
    for total in (5, 50, 500):
        make.EventFactory(organization=made.organization, type="order.paid", data={"total": total})
    return made


@pytest.fixture
def client(membership: Membership) -> Client:
    browser = Client()
    browser.force_login(membership.user)
    return browser


def chosen(*routes: Route, **more: Any) -> dict[str, Any]:
    return {"action": "enable", "_selected_action": [str(route.pk) for route in routes], **more}


def test_routes_are_switched_on_together_after_a_look(client: Client, membership: Membership) -> None:
    slow = make.IntegrationFactory(
        organization=membership.organization, name="Slow", rate_count=1, rate_seconds=60
    )
    off = {"organization": membership.organization, "integration": slow, "enabled": False}
    first = make.RouteFactory(name="All orders", **off)
    second = make.RouteFactory(name="Big ones", filter="data.total > `10`", **off)
    asked = client.post(reverse(LIST), chosen(first, second))
    assert "Switch on 2 routes?" in asked.text
    assert "Exactly 3 stored events match" in asked.text
    assert "Exactly 2 stored events match" in asked.text
    assert "about 3 minutes" in asked.text
    assert not Route.objects.filter(enabled=True).exists()
    told = client.post(reverse(LIST), chosen(first, second, _sure="1"), follow=True)
    assert "2 routes switched on." in told.text
    assert Route.objects.filter(enabled=True).count() == 2


def test_nothing_is_left_to_switch_on(client: Client, membership: Membership) -> None:
    on = make.RouteFactory(organization=membership.organization)
    asked = client.post(reverse(LIST), chosen(on))
    assert "All of them are on already." in asked.text
    assert "toggle_on" not in asked.text


def test_an_operator_is_not_asked(membership: Membership) -> None:
    route = make.RouteFactory(organization=membership.organization, enabled=False)
    operator = make.MembershipFactory(organization=membership.organization, role=Role.OPERATOR)
    browser = Client()
    browser.force_login(operator.user)
    for more in ({}, {"_sure": "1"}):
        browser.post(reverse(LIST), chosen(route, **more))
    route.refresh_from_db()
    assert not route.enabled


def test_a_new_route_is_saved_after_a_look_at_where_it_leads(client: Client, membership: Membership) -> None:
    second = make.IntegrationFactory(organization=membership.organization, name="The other")
    data = route_data(
        membership,
        **{
            "fallbacks-TOTAL_FORMS": "1",
            "fallbacks-0-position": "1",
            "fallbacks-0-integration": str(second.pk),
            "fallbacks-0-action": second.provider.actions[0].name,
        },
    )
    asked = client.post(reverse("admin:events_route_add"), data)
    assert "Save “Paid orders”?" in asked.text
    assert "Exactly 3 stored events match" in asked.text
    assert "The other" in asked.text
    assert not Route.objects.exists()
    # What was filled in comes along, to the last field.
    for name, value in data.items():
        assert f'name="{name}" value="{value}"' in asked.text
    saved = client.post(reverse("admin:events_route_add"), {**data, "_sure": "1"})
    assert saved.status_code == 302
    assert Route.objects.get().fallbacks.get().integration == second


def test_an_edited_route_is_asked_about_only_where_it_matters(client: Client, membership: Membership) -> None:
    data = route_data(membership, type_pattern="user.*")
    assert client.post(reverse("admin:events_route_add"), data).status_code == 302  # nothing of it is stored
    route = Route.objects.get()
    page = reverse("admin:events_route_change", args=[route.pk])
    assert client.post(page, {**data, "name": "Renamed"}).status_code == 302
    asked = client.post(page, {**data, "type_pattern": "order.*"})
    assert "Exactly 3 stored events match" in asked.text
    route.refresh_from_db()
    assert (route.name, route.type_pattern) == ("Renamed", "user.*")
    off = {name: value for name, value in data.items() if name != "enabled"}
    assert client.post(page, {**off, "type_pattern": "order.*"}).status_code == 302
    assert client.post(page, {**data, "type_pattern": "order.*"}).status_code == 200  # switched on again
    wrong = client.post(page, {**data, "filter": "data.["})
    assert "no valid JMESPath" in wrong.text


def test_somebody_elses_route_is_not_looked_at(client: Client) -> None:
    route = make.RouteFactory()
    page = reverse("admin:events_route_change", args=[route.pk])
    assert client.post(page, {"enabled": "on", "type_pattern": "*"}).status_code == 404


@pytest.mark.parametrize(("enabled", "said"), [(True, "it takes no new events"), (False, "from now on")])
def test_switching_one_says_what_it_means_either_way(
    client: Client, membership: Membership, enabled: bool, said: str
) -> None:
    route = make.RouteFactory(
        organization=membership.organization, type_pattern="order.paid", enabled=enabled
    )
    text = client.get(reverse("admin:events_route_ask", args=[route.pk, "toggle"])).text
    assert "Exactly 3 stored events match" in text
    assert said in text
    assert ("To send all of these again" in text) is not enabled
