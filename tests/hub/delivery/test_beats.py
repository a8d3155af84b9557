"""Signs of life of workers."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from hub import __version__
from hub.delivery import beats, housekeeping
from hub.delivery.models import WorkerBeat
from tests.hub.delivery.conftest import make_dispatcher

pytestmark = pytest.mark.django_db(transaction=True)


def turned_back(seconds: float) -> None:
    WorkerBeat.objects.update(seen_at=timezone.now() - timedelta(seconds=seconds))


def test_a_worker_gives_a_sign_at_once_and_then_only_now_and_then(django_assert_num_queries):
    pulse = beats.Pulse("worker-1", lambda: 3)
    pulse.turn()
    with django_assert_num_queries(0):
        pulse.turn()
    beat = WorkerBeat.objects.get()
    assert (beat.name, beat.version, beat.in_flight) == ("worker-1", __version__, 3)
    assert abs(timezone.now() - beat.seen_at) < timedelta(minutes=1)
    assert list(beats.alive()) == [beat]


def test_a_later_sign_keeps_the_start(monkeypatch):
    pulse = beats.Pulse("worker-1", lambda: 0)
    pulse.turn()
    before = WorkerBeat.objects.get()
    turned_back(300)
    assert not beats.alive().exists()
    monkeypatch.setattr(pulse, "_due", 0.0)
    pulse.turn()
    after = WorkerBeat.objects.get()
    assert after.started_at == before.started_at
    assert beats.alive().exists()


def test_the_sweep_forgets_who_is_long_gone():
    beats.Pulse("killed", lambda: 0).turn()
    turned_back(7200)
    beats.Pulse("worker-2", lambda: 0).turn()
    housekeeping.sweep()
    assert [beat.name for beat in WorkerBeat.objects.all()] == ["worker-2"]


def test_a_stop_in_good_order_leaves_no_row():
    pulse = beats.Pulse("worker-1", lambda: 0)
    pulse.turn()
    pulse.end()
    assert not WorkerBeat.objects.exists()


def test_a_table_that_is_not_there_yet_stops_no_delivery(monkeypatch):
    def missing(*args, **options):
        raise DatabaseError("no such table")

    monkeypatch.setattr(WorkerBeat.objects, "bulk_create", missing)
    beats.Pulse("worker-1", lambda: 0).turn()


def test_the_loop_turns_and_a_turn_that_fails_is_none(monkeypatch):
    stop, turns = threading.Event(), []
    dispatcher = make_dispatcher()

    def after_turn():
        turns.append(dispatcher.in_flight)
        stop.set()

    dispatcher.run(stop, after_turn)
    assert turns == [0]

    def hangs():
        raise RuntimeError("claims nothing")

    other = make_dispatcher()
    monkeypatch.setattr(other, "step", hangs)
    with pytest.raises(RuntimeError):
        other.run(threading.Event(), after_turn)
    assert turns == [0]
    other.shut_down(deadline=1)
