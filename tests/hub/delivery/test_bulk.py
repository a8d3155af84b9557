"""One deed to many items: chosen, looked at, done step by step, stopped, and survived."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from hub.accounts.models import Organization
from hub.delivery import bulk, operations
from hub.delivery.bulk import Selection, begin, look, work
from hub.delivery.models import BulkDeed, BulkRun, QueueItem, State
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "STEP", 2)


@pytest.fixture
def organization() -> Organization:
    """Five failed deliveries, and other rows that no deed may touch."""
    made = make.OrganizationFactory()
    integration = make.IntegrationFactory(organization=made)
    for minutes in range(5):
        make.QueueItemFactory(
            integration=integration,
            state=State.FAILED,
            attempts=3,
            finished_at=timezone.now() - timedelta(minutes=minutes),
        )
    make.QueueItemFactory(integration=integration, state=State.COMPLETED, finished_at=timezone.now())
    make.QueueItemFactory(state=State.FAILED, finished_at=timezone.now())  # a stranger's
    return made


def states(organization: Organization) -> dict[str, int]:
    rows = QueueItem.objects.filter(organization=organization).values_list("state", flat=True)
    return {state: list(rows).count(state) for state in set(rows)}


def finish(run: BulkRun) -> BulkRun:
    while work():
        pass
    run.refresh_from_db()
    return run


def test_everything_that_failed_since_is_recovered(organization: Organization) -> None:
    since = timezone.now() - timedelta(minutes=2, seconds=30)
    selection = Selection(State.FAILED, since=since)
    assert look(organization.pk, selection).count == 3
    run = finish(begin(organization.pk, BulkDeed.RETRY, selection, "ann"))
    assert (run.state, run.total, run.looked_at, run.done, run.percent) == ("completed", 3, 3, 3, 100)
    assert states(organization) == {"failed": 2, "pending": 3, "completed": 1}
    assert QueueItem.objects.filter(state=State.PENDING).values_list("attempts", flat=True)[0] == 0


def test_a_replay_does_not_replay_its_own_copies(organization: Organization) -> None:
    run = finish(begin(organization.pk, BulkDeed.REPLAY, Selection(State.FAILED)))
    assert run.done == 5
    assert QueueItem.objects.filter(replay_of__isnull=False).count() == 5


def test_it_is_cancelled_step_by_step_and_stops_when_told(organization: Organization) -> None:
    QueueItem.objects.filter(organization=organization, state=State.FAILED).update(
        state=State.PENDING, finished_at=None
    )
    run = begin(organization.pk, BulkDeed.CANCEL, Selection(State.PENDING))
    assert work() == 1
    assert bulk.stop(run)
    assert not bulk.stop(run)
    assert finish(run).done == 2
    assert states(organization) == {"pending": 3, "cancelled": 2, "completed": 1}
    assert run.state == BulkRun.State.CANCELLED


def test_a_worker_that_dies_leaves_exact_counts(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(organization.pk, BulkDeed.REPLAY, Selection(State.FAILED))
    work()
    real = operations.replay

    def dies(items: Any) -> Any:
        real(items)
        raise OperationalError("the connection is gone")

    monkeypatch.setattr(operations, "replay", dies)
    with pytest.raises(OperationalError):
        work()
    run.refresh_from_db()
    assert (run.looked_at, run.done, QueueItem.objects.filter(replay_of__isnull=False).count()) == (2, 2, 2)
    monkeypatch.setattr(operations, "replay", real)
    assert finish(run).done == 5
    assert QueueItem.objects.filter(replay_of__isnull=False).count() == 5


def test_a_fault_of_ours_ends_the_run_and_says_so(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(organization.pk, BulkDeed.RETRY, Selection(State.FAILED))
    work()
    monkeypatch.setitem(bulk._DEEDS, BulkDeed.RETRY, lambda items: 1 // 0)
    finish(run)
    assert run.state == BulkRun.State.FAILED
    assert run.message.startswith("It stopped after 2 items (ZeroDivisionError).")
    assert states(organization)["pending"] == 2


def test_what_changed_meanwhile_is_left_alone_and_counted(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(organization.pk, BulkDeed.RETRY, Selection(State.FAILED))
    real = operations.retry

    def late(items: Any) -> int:
        """A worker takes them between being found and being retried."""
        QueueItem.objects.filter(organization=organization).update(state=State.PROCESSING)
        return real(items)

    monkeypatch.setitem(bulk._DEEDS, BulkDeed.RETRY, late)
    work()
    run.refresh_from_db()
    assert (run.looked_at, run.done, run.left_alone) == (2, 0, 2)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(State.FAILED, label="order.*"), 5),
        (Selection(State.FAILED, label="order"), 0),
        (Selection(State.FAILED, subject="nobody"), 0),
        (Selection(State.FAILED, external_id="ext-1"), 0),
        (Selection(State.FAILED, until=timezone.now() - timedelta(days=1)), 0),
    ],
)
def test_selections(organization: Organization, selection: Selection, count: int) -> None:
    assert look(organization.pk, selection).count == count
    assert Selection.from_json(selection.as_json()) == selection


def test_a_deed_that_does_nothing_to_a_state_is_refused(organization: Organization) -> None:
    with pytest.raises(ValueError, match="not completed"):
        begin(organization.pk, BulkDeed.CANCEL, Selection(State.COMPLETED))


def test_words(organization: Organization) -> None:
    integration = make.IntegrationFactory(organization=organization, name="Shop")
    selection = Selection(State.FAILED, integration.pk, label="order.*", subject="order-1")
    assert selection.words() == "failed deliveries to Shop, of type order.*, about order-1"
