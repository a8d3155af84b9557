"""What may go goes; what somebody still waits for stays, whatever happens meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import housekeeping, operations
from hub.delivery.jobs import scheduled_jobs
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events import retention
from hub.events.models import Event
from hub.events.replay import replay_event
from hub.lib.ids import first_at, uuid7
from tests.factories import EventFactory, IntegrationFactory, IntegrationLogFactory, QueueItemFactory

pytestmark = pytest.mark.django_db

OLD = timedelta(days=31)
_count = count()
OPEN = (State.PENDING, State.PROCESSING)


@pytest.fixture(autouse=True)
def thirty_days(settings: Any) -> None:
    settings.HUB = replace(settings.HUB, retention_days=30)


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


@pytest.fixture
def event(integration: Integration, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Event]:
    """Make events that were received so long ago, with an id of that time."""

    def make(age: timedelta = OLD) -> Event:
        at = timezone.now() - age
        with monkeypatch.context() as patch:
            patch.setattr("hub.lib.ids.time.time_ns", lambda: int(at.timestamp() * 1e9))
            made = EventFactory(id=uuid7(), organization=integration.organization)
        Event.objects.filter(pk=made.pk).update(received_at=at)
        return made

    return make


def item(event: Event, state: State, finished: timedelta | None = OLD, **fields: Any) -> QueueItem:
    at: datetime | None = None
    if state not in OPEN and finished is not None:
        at = timezone.now() - finished
        # Made before it was finished, as its id says.
        fields.setdefault("id", UUID(int=first_at(at - timedelta(minutes=1)).int + next(_count)))
    integration = fields.pop("integration", None) or IntegrationFactory(organization=event.organization)
    return QueueItemFactory(integration=integration, event=event, state=state, finished_at=at, **fields)


def prune_everything() -> None:
    """Run the jobs as the scheduler does, in their order."""
    for name, job in scheduled_jobs().items():
        if name.startswith("prune"):
            job.run()


def test_old_events_go_with_their_finished_items(event: Callable[..., Event]) -> None:
    unwanted, delivered, failed, young = event(), event(), event(), event(timedelta(days=29))
    item(delivered, State.COMPLETED)
    item(failed, State.FAILED)
    item(failed, State.SKIPPED)

    assert retention.prune() == 3

    assert list(Event.objects.all()) == [young]
    assert not QueueItem.objects.exists()
    assert unwanted.pk


@pytest.mark.parametrize("state", OPEN)
def test_nothing_open_is_ever_pruned(event: Callable[..., Event], state: State) -> None:
    held = event(timedelta(days=900))
    waiting = item(held, state)
    done = item(held, State.COMPLETED)

    prune_everything()

    assert Event.objects.filter(pk=held.pk).exists()
    assert QueueItem.objects.filter(pk=waiting.pk).exists()
    assert not QueueItem.objects.filter(pk=done.pk).exists()


def test_an_event_whose_delivery_failed_lately_can_still_be_retried(event: Callable[..., Event]) -> None:
    held = event(timedelta(days=200))
    failed = item(held, State.FAILED, finished=timedelta(days=1))

    prune_everything()
    assert operations.retry([failed]) == 1
    prune_everything()

    assert Event.objects.filter(pk=held.pk).exists()
    assert QueueItem.objects.get().state == State.PENDING


def test_many_go_in_short_batches(event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    events = [event() for _ in range(7)]
    item(events[0], State.PENDING)
    item(events[3], State.PROCESSING)

    assert retention.prune() == 5
    assert {row.pk for row in Event.objects.all()} == {events[0].pk, events[3].pk}
    assert retention.prune() == 0


@pytest.mark.parametrize("how", ["retry", "new item"])
def test_who_comes_between_looking_and_removing_keeps_the_event(
    event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The batch is chosen, then somebody retries: the event must not be taken from under the item."""
    held, other = event(), event()
    failed = item(held, State.FAILED)
    remove = retention._remove

    def interrupted(batch: Any, before: datetime) -> int:
        assert held.pk in batch
        if how == "retry":
            assert operations.retry([failed]) == 1
        else:
            item(held, State.PENDING)
        return remove(batch, before)

    monkeypatch.setattr(retention, "_remove", interrupted)
    retention.prune()

    assert [row.pk for row in Event.objects.all()] == [held.pk]
    assert QueueItem.objects.filter(state=State.PENDING, source_id=held.pk).exists()
    assert other.pk


def test_a_replay_of_an_event_that_just_went_says_so(event: Callable[..., Event]) -> None:
    gone = event()
    retention.prune()

    with pytest.raises(Event.DoesNotExist):
        replay_event(gone)


def test_events_of_others_sources_do_not_matter(event: Callable[..., Event]) -> None:
    """A queue item of another source may have the same id by chance; it is not this event's."""
    old = event()
    item(old, State.PENDING, source_type="record")

    assert retention.prune() == 1


def test_logs_and_items_go_by_their_own_age(integration: Integration, event: Callable[..., Event]) -> None:
    young = event(timedelta(days=1))
    kept = item(young, State.COMPLETED, finished=timedelta(days=1), integration=integration)
    IntegrationLogFactory(integration=integration, created_at=timezone.now() - OLD)
    fresh = IntegrationLogFactory(integration=integration)

    assert housekeeping.prune() == 1

    assert list(IntegrationLog.objects.all()) == [fresh]
    assert list(QueueItem.objects.all()) == [kept]


def test_it_is_done_every_day() -> None:
    assert scheduled_jobs()["prune events"].every == 24 * 3600
