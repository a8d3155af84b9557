"""Finding events and deliveries by what people know of them."""

from typing import Any

import pytest
from django.urls import reverse

from hub.delivery import sources
from hub.events import search
from hub.events.models import Event
from tests import factories as make
from tests.hub.dashboard.world import World, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = build()
    made.rows["item"].external_id = "ch_123"
    made.rows["item"].save()
    return made


def mine(world: World) -> Any:
    return type(world.organization).objects.filter(pk=world.organization.pk)


def test_types_are_found_by_pattern_or_part(world: World) -> None:
    make.EventFactory(organization=world.organization, type="order.line.added")
    make.EventFactory(type="order.strange")
    assert search.types_like(mine(world), "ORDER") == ["order.line.added", "order.paid"]
    assert search.types_like(mine(world), "order.*") == ["order.line.added", "order.paid"]
    assert search.types_like(mine(world), "*.paid") == ["order.paid"]


def test_events_of_many_are_told_by_their_types(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.of_type(mine(world), "order.paid") == (["order.paid"], [world.rows["event"].pk])
    monkeypatch.setattr(search, "FOUND", 1)
    assert sources.of_type(mine(world), "order.paid") == (["order.paid"], None)
    assert sources.of_type(mine(world), "nothing") == ([], [])


@pytest.mark.parametrize("term", ["subject", "beginning", "external", "event", "item", "key"])
def test_a_delivery_is_found(world: World, term: str) -> None:
    event, item = world.rows["event"], world.rows["item"]
    make.QueueItemFactory(integration=world.rows["integration"], subject="other", external_id="zz")
    terms = {
        "subject": event.subject,
        "beginning": event.subject[:-1],
        "external": "ch_12",
        "event": event.pk,
        "item": item.pk,
        "key": item.idempotency_key,
    }
    if term == "beginning":  # the other event's subject begins so, too
        Event.objects.exclude(pk=event.pk).update(subject="other")
    page = world.client("viewer").get(reverse("admin:delivery_queueitem_changelist"), {"q": str(terms[term])})
    assert [row.pk for row in page.context["cl"].result_list] == [item.pk]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"label": "order"}, 1),
        ({"label": "user.*"}, 0),
        ({"subject": "order-"}, 1),
        ({"subject": "user-"}, 0),
        ({"made": "hour"}, 1),
    ],
)
def test_the_queues_filters(world: World, asked: dict[str, str], found: int) -> None:
    page = world.client("viewer").get(reverse("admin:delivery_queueitem_changelist"), asked)
    assert len(page.context["cl"].result_list) == found


@pytest.mark.parametrize(("term", "found"), [("order.paid", 1), ("paid", 1), ("mine-1", 1), ("no", 0)])
def test_an_event_is_found(world: World, term: str, found: int) -> None:
    Event.objects.filter(pk=world.rows["event"].pk).update(idempotency_key="mine-1")
    page = world.client("viewer").get(reverse("admin:events_event_changelist"), {"q": term})
    assert len(page.context["cl"].result_list) == found
    narrowed = world.client("viewer").get(reverse("admin:events_event_changelist"), {"type": "order.*"})
    assert len(narrowed.context["cl"].result_list) == 1


@pytest.mark.parametrize(("term", "found"), [("was refused", 1), ("no such words", 0)])
def test_words_of_a_message_are_found_in_the_log(world: World, term: str, found: int) -> None:
    page = world.client("viewer").get(reverse("admin:delivery_integrationlog_changelist"), {"q": term})
    assert len(page.context["cl"].result_list) == found
