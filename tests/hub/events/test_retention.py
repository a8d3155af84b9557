"""What may go goes; what somebody still waits for stays, whatever happens meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Integration
from hub.delivery import operations, pruning
from hub.delivery.jobs import scheduled_jobs
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.events import retention
from hub.events.envelopes import load_envelopes
from hub.events.intake import Draft, accept_event
from hub.events.models import Event
from hub.events.replay import replay_event
from hub.lib import pace
from hub.lib.ids import first_at, uuid7
from tests.factories import (
    EventFactory,
    IntegrationFactory,
    IntegrationLogFactory,
    OrganizationFactory,
    QueueItemFactory,
    ReceivedWebhookFactory,
    RouteFactory,
)
from tests.hub.delivery.conftest import make_dispatcher
from webhooks.jobs import prune as prune_webhooks

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
    """Do what the scheduled jobs do, in their order."""
    pruning.prune()
    retention.prune()
    prune_webhooks()


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
    monkeypatch.setattr(pace, "FIRST", 2)
    monkeypatch.setattr(pace, "MOST", 2)
    monkeypatch.setattr(pace, "LEAST", 1)
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
    do = retention._do

    def interrupted(deed: Any, batch: Any, before: datetime) -> int:
        assert held.pk in batch
        if how == "retry":
            assert operations.retry([failed]) == 1
        else:
            item(held, State.PENDING)
        return do(deed, batch, before)

    monkeypatch.setattr(retention, "_do", interrupted)
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

    assert pruning.prune() == 1

    assert list(IntegrationLog.objects.all()) == [fresh]
    assert list(QueueItem.objects.all()) == [kept]


def test_each_organization_keeps_as_long_as_it_says(event: Callable[..., Event]) -> None:
    theirs = event(timedelta(days=20))
    own = event(timedelta(days=20))
    Event.objects.filter(pk=own.pk).update(organization=OrganizationFactory(keep_events=7))
    longer = event()
    Event.objects.filter(pk=longer.pk).update(organization=OrganizationFactory(keep_events=100))

    assert retention.prune() == 1

    assert {row.pk for row in Event.objects.all()} == {theirs.pk, longer.pk}


def test_logs_and_webhooks_have_a_retention_of_their_own(integration: Integration) -> None:
    at = timezone.now() - timedelta(days=10)
    Organization.objects.update(keep_logs=7, keep_webhooks=9)
    IntegrationLogFactory(integration=integration, created_at=at)
    call = ReceivedWebhookFactory(
        endpoint__integration=integration, organization=integration.organization, state="processed"
    )
    type(call).objects.update(received_at=at)

    prune_everything()

    assert not IntegrationLog.objects.exists()
    assert not type(call).objects.exists()


def test_contents_go_before_what_held_them(integration: Integration, event: Callable[..., Event]) -> None:
    """Who asks later sees that it was there and what became of it, not what it said."""
    Organization.objects.update(keep_contents=7)
    told, waits = event(timedelta(days=10)), event(timedelta(days=10))
    item(waits, State.PENDING)
    entry = IntegrationLogFactory(
        integration=integration, created_at=timezone.now() - timedelta(days=10), exchanges=[{"url": "x"}]
    )
    young = IntegrationLogFactory(integration=integration, exchanges=[{"url": "y"}])
    call = ReceivedWebhookFactory(
        endpoint__integration=integration, organization=integration.organization, state="processed"
    )
    type(call).objects.update(received_at=timezone.now() - timedelta(days=10))

    prune_everything()

    assert Event.objects.get(pk=waits.pk).data == waits.data
    emptied = Event.objects.get(pk=told.pk)
    assert (emptied.data, emptied.type) == (None, told.type)
    assert emptied.data_removed_at is not None
    assert told.pk not in load_envelopes([told.pk])
    with pytest.raises(ValueError, match="Send the event again"):
        replay_event(told)
    assert IntegrationLog.objects.get(pk=entry.pk).exchanges == []
    assert IntegrationLog.objects.get(pk=young.pk).exchanges == [{"url": "y"}]
    call.refresh_from_db()
    assert (bytes(call.body), call.state) == (b"", "processed")


def test_nothing_but_replays_points_to_a_queue_item() -> None:
    """Items go without being loaded: who adds a reference says in pruning.delete what becomes of it."""
    assert [field.name for field in QueueItem._meta.related_objects] == ["replays"]


def test_a_replay_outlives_what_it_repeats(event: Callable[..., Event]) -> None:
    first = item(event(), State.COMPLETED)
    again = item(event(timedelta(days=1)), State.PENDING, replay_of=first)

    pruning.prune()

    assert QueueItem.objects.get() == again
    assert QueueItem.objects.get().replay_of_id is None


def test_a_large_body_is_kept_once_for_all_its_deliveries(door: Any, integration: Integration) -> None:
    """Three routes, two attempts each: the tables hold the body once, the log only how it began."""
    door.answer("POST", "/in", 503)
    organization = integration.organization
    Integration.objects.update(
        settings={"url": "https://sink.example.com/in"}, quick_tries=2, quick_delay=0.0
    )
    for _ in range(3):
        RouteFactory(organization=organization, integration=integration, type_pattern="*")
    body = {"text": "long " * 40_000}
    accept_event(organization, Draft(type="order.paid", data=body))
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    dispatcher.shut_down(deadline=2)

    assert IntegrationLog.objects.filter(kind=LogKind.DELIVERY).count() == 6
    logged = sum(len(str(row.exchanges)) for row in IntegrationLog.objects.all())
    queued = sum(len(str(vars(row))) for row in QueueItem.objects.all())
    assert len(door.last.body) > 200_000
    assert logged + queued < 150_000


def test_slices_are_done_beside_what_comes_every_few_seconds() -> None:
    jobs = scheduled_jobs()
    assert all(jobs[name].apart for name in ("prune", "prune events", "prune webhooks"))
    assert not jobs["sweep"].apart
