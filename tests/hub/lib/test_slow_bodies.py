"""Who is cut off for sending slowly, by a clock that the test sets; tests/security has it over sockets."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from granian.wsgi import _callback_wrapper

from hub.lib import slow_bodies
from hub.lib.slow_bodies import EARLY, PACE, Body, SlowBody, watched

GRACE, MOST = 20.0, 2


class Clock:
    """Stands in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Call:
    """A call whose body comes as the test says; the server's side of it as well."""

    def __init__(self, clock: Clock):
        self.clock, self.script, self.answers = clock, [], []  # type: ignore[var-annotated]
        self.body = Body(self, self, "127.0.0.1")

    def read(self, size: int) -> bytes:
        """The stream: do what the test says next while the caller is waited for."""
        return self.script.pop(0)() if self.script else b""

    readline = read

    def response_bytes(self, status: int, headers: Any, answer: bytes) -> None:
        """The server's handle."""
        self.answers.append(status)

    def sends(self, count: int, after: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let ``count`` bytes come ``after`` seconds."""

        def come() -> bytes:
            self.clock.sleep(after)
            meanwhile()
            return b"a" * count

        self.script.append(come)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(slow_bodies, "time", found)
    return found


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Any]:
    """A watch that looks when it is told to, and finds no connections to end."""
    found = slow_bodies._Watch()
    found.grace, found.most = GRACE, MOST
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(slow_bodies, "_watch", found)
    monkeypatch.setattr(slow_bodies, "_connections", lambda *_, **__: set())
    return found


def test_a_body_that_keeps_its_pace_is_taken_however_long_it_takes(clock: Clock, watch: Any) -> None:
    call = Call(clock)
    for _ in range(100):
        call.sends(PACE * 2, 2, watch.look)
    assert len(call.body.read()) == PACE * 200
    assert clock.now > 1000 + GRACE * 5
    assert not call.answers


@pytest.mark.parametrize("drop", [1, 0], ids=["dribbling", "silent"])
def test_one_that_lags_is_cut_off_after_its_grace(clock: Clock, watch: Any, drop: int) -> None:
    call = Call(clock)
    call.sends(10, GRACE - 1, watch.look)
    call.sends(drop, 2, watch.look)
    with pytest.raises(SlowBody):
        call.body.read(100)
    assert call.answers == [408]


def test_while_too_many_are_slow_those_that_lag_most_go_early(clock: Clock, watch: Any) -> None:
    calls = [Call(clock) for _ in range(MOST + 2)]
    for call in calls:
        watch.begin(call.body)
        call.body.since = clock.now
        clock.sleep(0.5)
    clock.sleep(EARLY)
    watch.look()
    assert [call.answers for call in calls] == [[408], [408], [], []]
    clock.sleep(GRACE)
    watch.look()
    assert [call.answers for call in calls] == [[408]] * 4
    assert [watch.end(call.body) for call in calls] == [False] * 4


def test_time_that_the_hub_itself_takes_is_not_the_callers(clock: Clock, watch: Any) -> None:
    call = Call(clock)
    for _ in range(3):
        call.sends(10, 1, watch.look)
        assert call.body.read(10)
        clock.sleep(GRACE * 2)
        watch.look()
    assert not call.answers


def test_a_stream_is_read_as_any_other(clock: Clock, watch: Any) -> None:
    def body() -> Body:
        return Body(io.BytesIO(b"one\ntwo\n"), None, "")

    assert body().read(5) == b"one\nt"
    assert body().read() == body().read(None) == b"one\ntwo\n"
    assert body().readline() == b"one\n"
    assert body().readlines() == list(body()) == [b"one\n", b"two\n"]


def served(environ: dict[str, Any]) -> Any:
    """What an application behind granian's own WSGI code gets as its body."""
    seen = []

    def application(given: dict[str, Any], start: Any) -> list[bytes]:
        seen.append(given["wsgi.input"])
        return []

    run = _callback_wrapper(watched(application, grace=GRACE, most=MOST), {})
    run(Call(Clock()), {"CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b"abc"), **environ})
    return seen[0]


def test_granian_still_has_what_is_leaned_on(watch: Any) -> None:
    """Where this fails, a new granian calls applications otherwise: see ``slow_bodies._protocol``."""
    assert isinstance(served({}), Body) == slow_bodies.LOOKABLE
    assert not isinstance(served({"CONTENT_LENGTH": "0"}), Body), "There is nothing to wait for."


def test_that_nobody_is_watched_is_said_once(
    watch: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(slow_bodies, "LOOKABLE", True)
    application = watched(lambda environ, start: [], grace=GRACE, most=MOST)
    environ = {"CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(), "SERVER_SOFTWARE": "Granian"}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            application(dict(environ), None)
        application({**environ, "SERVER_SOFTWARE": "gunicorn"}, None)
    assert len(caplog.records) == 1
    assert "not watched" in caplog.text
