"""The blast radius of a route and of a replay."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.events import impact as impacts
from hub.events.impact import replay_impact, route_impact
from hub.lib.ids import first_at
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def route() -> Any:
    """Big orders to a slow integration, with a fallback."""
    organization = make.OrganizationFactory()
    slow = make.IntegrationFactory(organization=organization, name="Slow", rate_count=1, rate_seconds=10)
    route = make.RouteFactory(organization=organization, integration=slow, enabled=False)
    make.RouteFallbackFactory(route=route)
    return route


def test_types_are_matched_and_counted_within_the_days(route: Any) -> None:
    make.EventFactory.create_batch(3, organization=route.organization, type="order.paid")
    make.EventFactory.create_batch(2, organization=route.organization, type="order.line.added")
    make.EventFactory(organization=route.organization, type="user.created")
    make.EventFactory(type="order.paid")  # a stranger's
    make.EventFactory(organization=route.organization, id=first_at(timezone.now() - timedelta(days=8)))
    found = route_impact(route)
    assert (found.matching, found.exact, found.seconds) == (5, True, 50)
    assert found.sentence == "Exactly 5 stored events match in the last 7 days, 0.7 a day."
    assert [(each.fallback, each.deliveries) for each in found.stops] == [(False, 5), (True, 0)]
    assert found.as_json()["destinations"][0]["limit"] == "1 in 10 seconds"
    assert route_impact(route, days=30).matching == 6


def test_a_filter_is_tried_and_the_rest_estimated(route: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    for total in range(8):
        made = first_at(now - timedelta(seconds=8 - total))
        make.EventFactory(id=made, organization=route.organization, data={"total": total})
    route.filter = "data.total > `3`"
    assert (route_impact(route).matching, route_impact(route).exact) == (4, True)
    monkeypatch.setattr(impacts, "TRIED", 4)
    found = route_impact(route)  # of the newest four, all pass
    assert (found.matching, found.exact, found.tried, found.passed) == (8, False, 4, 4)
    assert found.sentence.startswith("About 8")


def test_a_filter_that_fails_takes_nothing_and_a_wrong_one_is_told(route: Any) -> None:
    make.EventFactory(organization=route.organization, data={"total": "x"})
    route.filter = "length(data.total.none) > `1`"
    assert route_impact(route).sentence == "No event stored in the last 7 days matches."
    route.filter = "data.total >"
    assert "no valid JMESPath" in route_impact(route).sentence


def test_counting_ends_somewhere(route: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make.EventFactory.create_batch(4, organization=route.organization)
    monkeypatch.setattr(impacts, "MOST", 3)
    assert route_impact(route).sentence.startswith("More than 3 stored events match")


def test_the_number_of_queries_does_not_grow_with_the_events(
    route: Any, django_assert_max_num_queries: Any
) -> None:
    make.EventFactory.create_batch(30, organization=route.organization)
    with django_assert_max_num_queries(12):
        route_impact(route)


def test_a_replay_tells_where_the_event_would_go(route: Any) -> None:
    event = make.EventFactory(organization=route.organization)
    assert replay_impact(event).deliveries == 0
    route.enabled = True
    route.save()
    found = replay_impact(event)
    assert found.deliveries == 1
    assert found.stops[0].integration.name == "Slow"
    assert found.takes == "about 10 seconds"
