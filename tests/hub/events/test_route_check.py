"""Trying a route's pattern and filter while they are typed, and what its mapping lacks."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.events.models import Event
from hub.events.route_admin import misfits
from hub.events.route_check import SHOWN, TRIED, check_route
from tests import factories as make


@pytest.fixture
def membership(db: None) -> Membership:
    """A viewer."""
    return make.MembershipFactory(role=Role.VIEWER)


@pytest.fixture
def client(membership: Membership) -> Client:
    """The viewer's browser."""
    browser = Client()
    browser.force_login(membership.user)
    return browser


def check(client: Client, **typed: str) -> str:
    answer = client.get(reverse("admin:events_route_check"), typed)
    assert answer.status_code == 200
    return answer.content.decode()


def test_matching_events_are_counted_and_some_shown(membership: Membership) -> None:
    for total in (5, 50, 500):
        make.EventFactory(organization=membership.organization, data={"total": total})
    make.EventFactory(organization=membership.organization, type="user.left")
    found = check_route([membership.organization], "order.*", "")
    assert (found.looked_at, found.typed, found.passed, len(found.shown)) == (4, 3, 3, SHOWN)
    found = check_route([membership.organization], "order.*", "data.total > `10`")
    assert (found.typed, found.tried, found.passed) == (3, 3, 2)


def test_a_filter_is_tried_on_few_events_however_many_there_are(
    membership: Membership, django_assert_num_queries: Any
) -> None:
    rows = [make.EventFactory.build(organization=membership.organization) for _ in range(TRIED + 5)]
    Event.objects.bulk_create(rows)
    with django_assert_num_queries(2):
        found = check_route([membership.organization], "*", "data.id")
    assert (found.typed, found.tried) == (TRIED + 5, TRIED)


def test_what_is_wrong_is_said_at_once(client: Client) -> None:
    assert "A type pattern has letters" in check(client, type_pattern="order paid")
    assert "no valid JMESPath" in check(client, type_pattern="*", filter="data.[")
    assert "There are no events yet" in check(client, type_pattern="*")


def test_other_organizations_events_are_not_counted(client: Client, membership: Membership) -> None:
    stranger = make.EventFactory(subject="stranger-1")
    shown = check(client, type_pattern="*", organization=str(stranger.organization_id))
    assert "There are no events yet" in shown
    make.EventFactory(organization=membership.organization, subject="mine-1")
    shown = check(client, type_pattern="*")
    assert "mine-1" in shown
    assert "stranger-1" not in shown


def test_a_mapping_that_its_action_refuses_is_told(membership: Membership) -> None:
    organization = membership.organization
    slack = make.IntegrationFactory(organization=organization, provider_slug="slack")
    mapping = make.FieldMappingFactory(
        organization=organization, name="To mail", rules=[{"source": "data.email", "target": "to"}]
    )
    route = make.RouteFactory(
        organization=organization, integration=slack, action="message.post", mapping=mapping
    )
    [sentence] = misfits(route)
    assert "“To mail” does not fit “Post a message”" in sentence
    mapping.rules = [{"source": "data.id", "target": "text"}]
    mapping.save()
    route.refresh_from_db()
    assert misfits(route) == []
