"""Rollups where several writers commit in any order: nothing is passed over, nothing counted twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog
from hub.metrics import horizon, hours, rollup
from hub.metrics.figures import tallies
from hub.metrics.models import OrganizationHours, TotalFigures
from tests.factories import IntegrationFactory, IntegrationLogFactory, OrganizationFactory

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory()


@contextmanager
def another(work: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Do ``work`` in a transaction of another connection; yield what commits it."""
    worked, commit = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                work()
                worked.set()
                commit.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> None:
        commit.set()
        thread.join(20)

    try:
        assert worked.wait(20)
        yield end
    finally:
        end()


def counted(integration: Integration) -> int:
    return sum(TotalFigures.objects.filter(integration=integration).values_list("ok", flat=True))


def test_a_row_that_is_committed_late_is_not_passed_over(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon.final_id, "__defaults__", (0.1,))
    with another(lambda: IntegrationLogFactory(integration=integration)) as commit:
        newer = IntegrationLogFactory(integration=integration)
        assert horizon.final_id(IntegrationLog) is None
        assert rollup.roll_up() == 0
        commit()

    assert IntegrationLog.objects.filter(pk__lt=newer.pk).exists()
    assert horizon.final_id(IntegrationLog) == newer.pk
    rollup.roll_up()
    assert counted(integration) == 2


def test_waits_for_writers_of_the_moment(integration: Integration) -> None:
    with another(lambda: IntegrationLogFactory(integration=integration)) as commit:
        newer = IntegrationLogFactory(integration=integration)
        timer = threading.Timer(0.3, commit)
        timer.start()
        assert horizon.final_id(IntegrationLog) == newer.pk
        timer.join()
    rollup.roll_up()
    assert counted(integration) == 2


def test_neither_readers_nor_other_tables_hold_it_up(integration: Integration) -> None:
    newest = IntegrationLogFactory(integration=integration)

    def read_and_write_elsewhere() -> None:
        list(IntegrationLog.objects.all())
        OrganizationFactory()

    with another(read_and_write_elsewhere):
        assert horizon.final_id(IntegrationLog, patience=0) == newest.pk


def in_thread(work: Callable[[], None]) -> threading.Thread:
    """Start ``work`` with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_counting_while_writers_write_loses_nothing(
    integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four writers whose transactions overlap, two schedulers: at the end every row is counted once."""
    monkeypatch.setattr(rollup, "STEP", 7)
    done = threading.Event()
    seen: list[int] = []

    def write() -> None:
        for size in (1, 5, 2, 9, 3) * 6:
            with transaction.atomic():
                IntegrationLogFactory.create_batch(size, integration=integration)

    def count() -> None:
        while not done.is_set():
            rollup.roll_up()

    def read() -> None:
        while not done.is_set():
            now = timezone.now()
            found = tallies([integration.pk], now - timedelta(hours=3), now + timedelta(hours=1))
            seen.append(sum(tally.succeeded for tally in found.values()))

    writers = [in_thread(write) for _ in range(4)]
    others = [in_thread(work) for work in (count, count, read)]
    for thread in writers:
        thread.join()
    done.set()
    for thread in others:
        thread.join()
    rollup.roll_up()

    assert counted(integration) == IntegrationLog.objects.count() == 480
    # What is read never shrinks: rows move from the log to the figures in one moment.
    assert seen == sorted(seen)


def test_hours_are_closed_while_nobody_is_half_way_with_counting(integration: Integration) -> None:
    old = timezone.now() - timedelta(hours=5)
    IntegrationLogFactory(integration=integration, created_at=old)
    rollup.roll_up()
    late = IntegrationLogFactory(integration=integration, created_at=old)

    def close() -> None:
        hours.close_hours()
        connection.close()

    with another(lambda: rollup.step(rollup.SOURCES[0], late.pk)) as commit:
        closing = threading.Thread(target=close)
        closing.start()
        closing.join(0.5)
        assert closing.is_alive()
        commit()
        closing.join(20)

    assert OrganizationHours.objects.get().ok == 2
