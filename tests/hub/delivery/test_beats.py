"""Signs of life of workers."""

import threading
from datetime import timedelta
from types import SimpleNamespace

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


class TestPlaces:
    """Of a limit that each worker counts for itself, each uses a part."""

    @pytest.fixture(autouse=True)
    def several(self, monkeypatch):
        monkeypatch.setattr(beats, "connection", SimpleNamespace(vendor="postgresql"))

    def turn(self, name, *, seconds=2 * beats.NEW):
        """Let a worker look that was started so long ago; return the parts of 10, 3 and 1 that it uses."""
        pulse = beats.Pulse(name, lambda: 0)
        pulse._began -= seconds
        pulse.turn()
        return [beats.place.part_of(count) for count in (10, 3, 1)]

    def test_one_alone_uses_all_from_its_start(self):
        assert self.turn("worker-1", seconds=0) == [10, 3, 1]

    def test_several_use_all_of_it_together_and_no_more(self):
        for name in ("worker-1", "worker-2", "worker-3"):
            self.turn(name)
        parts = [self.turn(name) for name in ("worker-1", "worker-2", "worker-3")]
        assert parts == [[4, 1, 1], [3, 1, 0], [3, 1, 0]]

    def test_who_is_new_uses_nothing_until_the_others_have_seen_it(self):
        self.turn("worker-1")
        assert self.turn("worker-2", seconds=beats.LOOK_EVERY) == [0, 0, 0]
        assert self.turn("worker-1") == [5, 2, 1]
        assert self.turn("worker-2") == [5, 1, 0]

    def test_the_part_of_one_that_died_or_stopped_goes_to_the_others(self):
        self.turn("worker-1")
        turned_back(2 * beats.SILENT)
        assert self.turn("worker-2") == [10, 3, 1]

    def test_where_the_table_cannot_be_read_the_place_stays(self, monkeypatch):
        self.turn("worker-1")
        self.turn("worker-2")

        def missing():
            raise DatabaseError("no such table")

        monkeypatch.setattr(beats, "alive", missing)
        assert self.turn("worker-2") == [5, 1, 0]

    def test_it_looks_now_and_then_only(self, django_assert_num_queries):
        pulse = beats.Pulse("worker-1", lambda: 0)
        pulse.turn()
        with django_assert_num_queries(0):
            pulse.turn()
        pulse._look_at = 0.0
        with django_assert_num_queries(1):
            pulse.turn()


def test_on_sqlite_a_killed_worker_takes_nothing_from_the_one_that_follows(monkeypatch):
    monkeypatch.setattr(beats, "connection", SimpleNamespace(vendor="sqlite"))
    for name in ("killed", "worker-2"):
        beats.Pulse(name, lambda: 0).turn()
    assert beats.place.part_of(10) == 10
