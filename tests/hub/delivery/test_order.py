"""One after the other, where a route asks for it; what the others do is not touched."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import operations, store
from hub.delivery.models import QueueItem, State
from hub.events.intake import Draft, accept_events
from hub.events.models import Event
from hub.events.replay import replay_event
from tests.factories import IntegrationFactory, RouteFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


def accept(integration: Integration, *subjects: str, ordered: bool = True) -> list[QueueItem]:
    """Accept an event of each subject, in one batch; return the items in their order."""
    if not integration.routes.exists():
        RouteFactory(
            organization=integration.organization,
            integration=integration,
            type_pattern="*",
            ordered=ordered,
        )
    drafts = [Draft(type="order.paid", subject=subject) for subject in subjects]
    ids = [one.event_id for one in accept_events(integration.organization, drafts)]
    return [QueueItem.objects.get(source_id=pk) for pk in ids]


def claim(integration: Integration, limit: int = 50) -> list[Any]:
    items = store.claim(integration.pk, limit, "worker", 60, timezone.now() + timedelta(seconds=1))
    return [item.id for item in items]


def test_only_the_oldest_open_one_of_a_subject_is_claimed(integration: Integration) -> None:
    first, second, other = accept(integration, "a", "a", "b")
    assert set(claim(integration)) == {first.pk, other.pk}
    assert claim(integration) == []
    QueueItem.objects.filter(pk=first.pk).update(state=State.COMPLETED)
    assert claim(integration) == [second.pk]


def test_one_that_waits_for_its_next_try_holds_up_its_subject_only(integration: Integration) -> None:
    first, _, other, third = accept(integration, "a", "a", "b", "c")
    QueueItem.objects.filter(pk=first.pk).update(due_at=timezone.now() + timedelta(hours=1))
    assert set(claim(integration)) == {other.pk, third.pk}


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.SKIPPED])
def test_one_that_was_given_up_lets_the_next_go(integration: Integration, state: State) -> None:
    first, second = accept(integration, "a", "a")
    QueueItem.objects.filter(pk=first.pk).update(state=state)
    assert claim(integration) == [second.pk]


def test_without_a_subject_there_is_nothing_to_overtake(integration: Integration) -> None:
    accept(integration, "", "")
    assert len(claim(integration)) == 2


def test_it_is_off_unless_asked_for(integration: Integration) -> None:
    accept(integration, "a", "a", ordered=False)
    assert not QueueItem.objects.exclude(sequence=None).exists()
    assert len(claim(integration)) == 2


def test_another_route_of_the_same_subject_has_an_order_of_its_own(integration: Integration) -> None:
    RouteFactory(
        organization=integration.organization, integration=integration, type_pattern="*", ordered=True
    )
    RouteFactory(
        organization=integration.organization, integration=integration, type_pattern="*", ordered=True
    )
    accept_events(integration.organization, [Draft(type="order.paid", subject="a")] * 2)
    assert len(claim(integration)) == 2


def test_what_is_sent_again_queues_behind_what_waits(integration: Integration) -> None:
    first, second = accept(integration, "a", "a")
    QueueItem.objects.filter(pk=first.pk).update(state=State.COMPLETED)
    copy = operations.replay([first])[0]
    again = replay_event(Event.objects.get(pk=first.source_id))[0]
    assert {copy.sequence, again.sequence} == {first.sequence}
    assert claim(integration) == [second.pk]


def test_the_next_is_looked_for_as_soon_as_the_one_before_is_done(door: Any, dispatcher: Any) -> None:
    door.answer("POST", "/notes", json={"id": "1"})
    integration = IntegrationFactory(provider_slug="alpha")
    RouteFactory(
        organization=integration.organization,
        integration=integration,
        type_pattern="*",
        action="note",
        ordered=True,
    )
    drafts = [Draft(type="order.paid", subject="a", data={"text": str(number)}) for number in range(5)]
    accept_events(integration.organization, drafts)

    dispatcher.run_until_idle()

    assert QueueItem.objects.filter(state=State.COMPLETED).count() == 5
    assert [call.json["text"] for call in door.requests] == list("01234")
