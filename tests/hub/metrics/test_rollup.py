"""Everything is counted once: in any order, after a crash, by two schedulers at once."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, LogKind, State
from hub.metrics import rollup
from hub.metrics.models import HourFigures, MinuteFigures, RollupCursor, TotalFigures
from tests.factories import (
    IntegrationFactory,
    IntegrationLogFactory,
    QueueItemFactory,
    ReceivedWebhookFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

LOG = rollup.SOURCES[0]


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "STEP", 3)


def total(integration: Integration) -> TotalFigures:
    return TotalFigures.objects.get(integration=integration)


def test_counts_each_outcome_in_its_minute_and_hour(integration: Integration) -> None:
    at = timezone.now().astimezone(UTC).replace(minute=10, second=20) - timedelta(hours=2)
    outcomes = ["ok", "ok", "transient", "rate_limited", "auth", "permanent", "rejected", "surprise"]
    for outcome in outcomes:
        IntegrationLogFactory(integration=integration, outcome=outcome, created_at=at, duration_ms=30)
    IntegrationLogFactory(integration=integration, outcome="lease_expired", created_at=at)
    IntegrationLogFactory(integration=integration, created_at=at + timedelta(minutes=1), duration_ms=90_000)
    IntegrationLogFactory(integration=integration, created_at=at, kind=LogKind.TEST)

    rollup.roll_up()

    minute = MinuteFigures.objects.get(at=at.replace(second=0, microsecond=0))
    assert (minute.ok, minute.transient, minute.rate_limited, minute.auth) == (2, 1, 1, 1)
    assert (minute.permanent, minute.rejected, minute.lost, minute.other) == (1, 1, 1, 1)
    assert (minute.within_50, minute.duration_ms, minute.beyond) == (8, 240, 0)
    hour = HourFigures.objects.get()
    assert hour.at == at.replace(minute=0, second=0, microsecond=0)
    assert (hour.ok, hour.beyond, hour.organization) == (3, 1, integration.organization)
    assert total(integration).ok == 3


def test_adds_what_comes_later_to_the_minute_it_happened_in(integration: Integration) -> None:
    at = timezone.now() - timedelta(minutes=30)
    for _ in range(3):
        IntegrationLogFactory(integration=integration, created_at=at)
        rollup.roll_up()

    assert MinuteFigures.objects.get().ok == 3
    assert rollup.roll_up() == 0


def test_knows_which_attempt_was_an_items_last(integration: Integration) -> None:
    failed = QueueItemFactory(integration=integration, state=State.FAILED, attempts=2)
    waiting = QueueItemFactory(integration=integration, state=State.PENDING, attempts=1)
    for item, attempt in ((failed, 1), (failed, 2), (waiting, 1)):
        IntegrationLogFactory(integration=integration, outcome="transient", item_id=item.pk, attempt=attempt)

    rollup.roll_up()

    assert total(integration).failed_items == 1


def test_counts_webhooks_by_what_became_of_them(integration: Integration) -> None:
    endpoint = WebhookEndpointFactory(integration=integration)
    for state in ("received", "processed", "failed", "duplicate", "refused", "refused"):
        ReceivedWebhookFactory(endpoint=endpoint, state=state)

    rollup.roll_up()

    found = total(integration)
    assert (found.webhooks_accepted, found.webhooks_repeated, found.webhooks_refused) == (3, 1, 2)


@pytest.mark.usefixtures("small_steps")
def test_gaps_in_the_ids_make_no_empty_steps(integration: Integration) -> None:
    rows = IntegrationLogFactory.create_batch(10, integration=integration)
    IntegrationLog.objects.filter(pk__in=[row.pk for row in rows[2:8]]).delete()

    assert rollup.roll_up() == 2
    assert total(integration).ok == 4


@pytest.mark.usefixtures("small_steps")
def test_a_crash_in_the_middle_of_a_step_undoes_it_as_a_whole(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    IntegrationLogFactory.create_batch(10, integration=integration)
    upsert, crashes = rollup._upsert, iter([False] * 4 + [True])

    def crash(model: Any, entries: Any) -> None:
        upsert(model, entries)
        if next(crashes, False):
            raise RuntimeError("killed")

    monkeypatch.setattr(rollup, "_upsert", crash)
    with pytest.raises(RuntimeError):
        rollup.roll_up()
    assert MinuteFigures.objects.get().ok == HourFigures.objects.get().ok == total(integration).ok == 3

    rollup.roll_up()

    assert MinuteFigures.objects.get().ok == HourFigures.objects.get().ok == total(integration).ok == 10


def test_a_step_that_somebody_else_did_meanwhile_adds_nothing(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    IntegrationLogFactory.create_batch(4, integration=integration)

    def overtaken(begin: int, end: int) -> rollup.Counted:
        counted = rollup.count_log(begin, end)
        if begin == 0:
            rollup.step(LOG, end)
        return counted

    newest = IntegrationLog.objects.latest("pk").pk
    assert not rollup.step(rollup.Source("log", IntegrationLog, overtaken), newest)
    assert total(integration).ok == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_steps")
def test_many_schedulers_at_once_count_once() -> None:
    integration = IntegrationFactory()
    IntegrationLogFactory.create_batch(40, integration=integration)

    def run() -> None:
        try:
            rollup.roll_up()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rollup.roll_up()

    assert total(integration).ok == 40
    assert sum(MinuteFigures.objects.values_list("ok", flat=True)) == 40
    assert RollupCursor.objects.get(name="log").last_id == IntegrationLog.objects.latest("pk").pk


def test_one_run_ends_in_time_and_the_next_goes_on(integration: Integration) -> None:
    IntegrationLogFactory.create_batch(2, integration=integration)

    assert rollup.roll_up(longest=0) == 0
    assert not TotalFigures.objects.exists()
    assert rollup.roll_up() == 1
    assert total(integration).ok == 2


def test_long_ago_is_kept_by_the_hour_only(integration: Integration) -> None:
    old = datetime.now(UTC) - timedelta(days=30)
    IntegrationLogFactory(integration=integration, created_at=old)

    rollup.roll_up()

    assert not MinuteFigures.objects.exists()
    assert HourFigures.objects.get().ok == 1


def test_a_deleted_integration_takes_its_figures_along(integration: Integration) -> None:
    IntegrationLogFactory(integration=integration)
    rollup.roll_up()

    integration.delete()

    assert not TotalFigures.objects.exists()
