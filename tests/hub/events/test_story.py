"""The story of an event, as admins and applications read it."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from hub.connections.models import Circuit, Status
from hub.delivery.models import State
from hub.events.intake import Draft, accept_event
from hub.events.models import Event
from hub.events.story import story
from tests.factories import (
    EventFactory,
    IntegrationFactory,
    IntegrationLogFactory,
    QueueItemFactory,
    RouteFactory,
)

pytestmark = pytest.mark.django_db


def told(event: Event) -> list[tuple[str, str]]:
    return [(step.kind, step.title) for step in story(event).steps]


def test_an_event_that_no_route_wanted_is_kept() -> None:
    found = story(EventFactory())

    assert found.sentence == "Kept; no route wanted it."
    assert [step.kind for step in found.steps] == ["received", "routing"]


def test_tells_what_each_route_decided_and_why() -> None:
    route = RouteFactory(name="To CRM")
    RouteFactory(name="Big ones", organization=route.organization, filter="data.total > `100`")
    accepted = accept_event(route.organization, Draft("order.paid", {"total": 1}))

    found = story(Event.objects.get(pk=accepted.event_id))

    titles = [step.title for step in found.steps if step.kind == "routing"]
    assert sorted(titles) == ["Route “Big ones” did not take it", "Route “To CRM” took it"]
    assert [delivery.route for delivery in found.deliveries] == ["To CRM"]
    assert found.sentence == "1 delivery: 1 waiting."


def test_tells_every_attempt_and_the_end() -> None:
    event = EventFactory()
    first, second = IntegrationFactory(name="SendGrid"), IntegrationFactory(name="SES")
    item = QueueItemFactory(
        event=event,
        integration=second,
        state=State.COMPLETED,
        finished_at=timezone.now() + timedelta(seconds=2),
        external_id="m-1",
    )
    for number, (at, outcome) in enumerate([(first, "transient"), (second, "ok")], 1):
        IntegrationLogFactory(
            integration=at,
            outcome=outcome,
            message="It answered.",
            item_id=item.pk,
            source_id=event.pk,
            attempt=number,
            created_at=timezone.now() + timedelta(seconds=1),
        )

    found = story(event)

    assert [step.title for step in found.steps][-3:] == [
        "Attempt 1 at SendGrid failed",
        "Attempt 2 at SES succeeded",
        "Delivered: SES",
    ]
    assert found.steps[-1].text.endswith("Its id there is m-1.")
    assert found.state == "ok"
    assert all(step.log_id for step in found.steps if step.kind == "attempt")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": Status.PAUSED}, "is paused"),
        ({"status": Status.RECONNECT, "status_reason": "Token revoked."}, "Token revoked."),
        ({"circuit": Circuit.OPEN}, "failed too often"),
        ({"blocked_until": timezone.now() + timedelta(hours=1)}, "asked to wait"),
        ({}, "waits for a worker"),
    ],
)
def test_says_why_a_delivery_waits(fields: dict[str, Any], said: str) -> None:
    event = EventFactory()
    QueueItemFactory(event=event, integration=IntegrationFactory(**fields))

    assert said in story(event).deliveries[0].sentence


def test_says_when_a_delivery_is_due_in_the_viewers_zone() -> None:
    event = EventFactory()
    item = QueueItemFactory(event=event, due_at=timezone.now() + timedelta(seconds=7_230))
    with timezone.override("Asia/Tokyo"):
        sentence = story(event).deliveries[0].sentence
    assert sentence.startswith("It is due in 2 hours (")
    assert "JST" in sentence
    assert f"{item.due_at.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}" in sentence


@pytest.mark.parametrize(
    ("state", "fields", "said", "colour"),
    [
        (State.FAILED, {"last_error": "No such field."}, "No such field.", "error"),
        (State.CANCELLED, {}, "cancelled", "info"),
        (State.SKIPPED, {"last_error": "Consent withdrawn."}, "Consent withdrawn.", "info"),
        (State.PROCESSING, {}, "now", "waiting"),
        (
            State.PENDING,
            {"due_at": timezone.now() + timedelta(hours=1), "last_error": "503."},
            "503.",
            "waiting",
        ),
    ],
)
def test_says_where_a_delivery_stands(state: str, fields: dict[str, Any], said: str, colour: str) -> None:
    event = EventFactory()
    QueueItemFactory(event=event, state=state, **fields)

    found = story(event)

    assert said in found.deliveries[0].sentence
    assert found.state == colour


def test_costs_the_same_for_any_number_of_deliveries(django_assert_num_queries: Any) -> None:
    event = EventFactory()
    for _ in range(5):
        item = QueueItemFactory(event=event)
        IntegrationLogFactory(integration=item.integration, item_id=item.pk, source_id=event.pk)

    with django_assert_num_queries(2):
        assert len(told(event)) == 2 + 5 * 3
