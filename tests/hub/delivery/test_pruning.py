"""How pruning gives way to deliveries, and that it never gives way for ever."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.delivery import pruning, store
from hub.delivery.jobs import scheduled_jobs
from hub.delivery.models import QueueItem, State
from hub.lib import pace
from tests.factories import IntegrationFactory, QueueItemFactory

pytestmark = pytest.mark.django_db


class Clock:
    """Time that passes only in steps and rests."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rested = 0.0

    def sleep(self, seconds: float) -> None:
        self.rested += seconds
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(pace.time, "sleep", made.sleep)
    return made


def rest_after(clock: Clock, behind: float = 0.0) -> float:
    """How many times as long as a step the rest after it is."""
    found = iter([5, 0])

    def step(size: int) -> int:
        clock.now += 0.01
        return next(found)

    clock.rested = 0.0
    pruning.gentle(behind).walk(step)
    return clock.rested / 0.01


def test_it_rests_long_beside_deliveries_and_little_without(clock: Clock) -> None:
    assert rest_after(clock) == pytest.approx(pruning.REST)

    item = QueueItemFactory(integration=IntegrationFactory(), due_at=timezone.now(), claim_order=0.0)
    assert rest_after(clock) == pytest.approx(pruning.REST_BESIDE_WORK)

    # Claimed, and under way: nothing is due any more, but the worker is at it.
    store.claim(item.integration_id, 10, "w1", 60.0, timezone.now())
    assert rest_after(clock) == pytest.approx(pruning.REST_BESIDE_WORK)


def test_a_round_that_does_not_come_to_its_end_gives_way_less(clock: Clock) -> None:
    QueueItemFactory(integration=IntegrationFactory(), due_at=timezone.now(), claim_order=0.0)

    assert rest_after(clock, pruning.PATIENCE - 1) == pytest.approx(pruning.REST_BESIDE_WORK)
    assert rest_after(clock, pruning.PATIENCE) == pytest.approx(pruning.REST_BEHIND)


def test_it_starves_nothing_in_a_hub_that_is_never_idle(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All day something is due: the slices of the schedule still remove, and more when they fall behind."""
    monkeypatch.setattr(store, "busy", lambda now: True)
    per_slice: list[int] = []

    def work(pace: pace.Pace) -> int:
        def step(size: int) -> int:
            clock.now += size * 20e-6
            return size

        per_slice.append(pace.walk(step))
        return per_slice[-1]

    slices = pace.Rounds(work, pruning.gentle)
    for _ in range(2 * int(pruning.PATIENCE / (10 + pruning.SLICE_EVERY))):
        slices()
        clock.now += pruning.SLICE_EVERY

    assert per_slice[0] >= 10 / 20e-6 / (1 + pruning.REST_BESIDE_WORK) * 0.9
    assert per_slice[-1] >= 10 / 20e-6 / (1 + pruning.REST_BEHIND) * 0.9


def test_the_scheduled_slices_tell_how_long_their_round_has_gone_on() -> None:
    for name in ("prune", "prune events", "prune webhooks"):
        slices = scheduled_jobs()[name].run
        assert isinstance(slices, pace.Rounds)
        assert slices._pace is pruning.gentle


def old_item(**fields: Any) -> QueueItem:
    """Return an item that finished before any retention."""
    at = timezone.now() - timedelta(days=400)
    return QueueItemFactory(state=State.COMPLETED, finished_at=at, **fields)


def prune(rows: list[QueueItem]) -> int:
    return pruning.prune_rows(QueueItem.objects.filter(pk__in=[row.pk for row in rows]))


def test_an_item_and_its_replay_go_in_one_step_and_a_younger_replay_stays() -> None:
    integration = IntegrationFactory()
    first = old_item(integration=integration)
    second = old_item(integration=integration, replay_of=first)
    young = QueueItemFactory(integration=integration, replay_of=second)

    assert prune([first, second]) == 2

    young.refresh_from_db()
    assert list(QueueItem.objects.all()) == [young]
    assert young.replay_of_id is None
