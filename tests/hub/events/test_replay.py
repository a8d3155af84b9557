"""An event is delivered again."""

import pytest

from hub.events.intake import Draft, accept_event
from hub.events.models import Event
from hub.events.replay import replay_event
from tests.factories import EventFactory, OrganizationFactory, QueueItemFactory, RouteFactory

pytestmark = pytest.mark.django_db


def test_new_items_point_to_the_newest_old_one():
    route = RouteFactory()
    accept_event(route.organization, Draft("order.paid", {"n": 1}))
    event = Event.objects.get()
    (first,) = replay_event(event)
    (second,) = replay_event(event)
    first.refresh_from_db()
    assert first.replay_of is not None
    assert second.replay_of == first
    assert (second.state, second.source_id, second.route_id) == ("pending", event.pk, route.pk)
    event.refresh_from_db()
    assert [entry["reason"] for entry in event.routing] == ["", "Replayed.", "Replayed."]


def test_routes_decide_by_what_they_want_now():
    route = RouteFactory(filter="data.n > `5`")
    event = EventFactory(organization=route.organization, data={"n": 1})
    assert replay_event(event) == []
    event.refresh_from_db()
    assert event.routing[0]["outcome"] == "filtered"
    assert event.routing[0]["reason"].startswith("Replayed. The filter")


def test_chosen_routes_get_it_whatever_their_filter_says():
    route = RouteFactory(filter="data.n > `5`", enabled=False)
    other = RouteFactory(organization=route.organization)
    event = EventFactory(organization=route.organization, data={"n": 1})
    old = QueueItemFactory(event=event, integration=other.integration, route_id=other.pk)
    items = {item.route_id: item for item in replay_event(event, [route, other])}
    assert set(items) == {route.pk, other.pk}
    assert items[route.pk].replay_of is None
    assert items[other.pk].replay_of == old


def test_routes_of_strangers_are_refused():
    event = EventFactory(organization=OrganizationFactory())
    with pytest.raises(ValueError, match="its own organization"):
        replay_event(event, [RouteFactory()])
