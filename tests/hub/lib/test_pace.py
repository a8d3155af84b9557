"""Work in the background: short steps, rests, an end."""

import time

import pytest

from hub.lib.pace import FIRST, LEAST, MOST, STEP, Pace, Rounds


class Clock:
    """Time that passes only where the test, or a sleep, lets it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def steps(clock: Clock, seconds_each: float, rows: int, pace: Pace) -> list[int]:
    """The sizes of the steps that ``rows`` were done in, where a row takes so long."""
    sizes: list[int] = []
    left = [rows]

    def step(size: int) -> int:
        done = min(size, left[0])
        left[0] -= done
        clock.now += done * seconds_each
        if done:
            sizes.append(size)
        return done

    pace.walk(step)
    return sizes


def test_a_slow_database_gets_smaller_steps(clock: Clock) -> None:
    sizes = steps(clock, 0.001, 500, Pace())
    assert sizes[0] == FIRST
    assert set(sizes[1:]) == {LEAST}
    assert LEAST * 0.001 <= STEP


def test_a_quick_one_gets_larger_ones_up_to_a_limit(clock: Clock) -> None:
    sizes = steps(clock, 0.000001, 20_000, Pace())
    assert sizes[:4] == [min(FIRST * 2**turn, MOST) for turn in range(4)]
    assert max(sizes) == MOST


def test_it_rests_as_long_as_it_is_told(clock: Clock) -> None:
    steps(clock, 0.0001, 200, Pace(rest=lambda: 4.0))
    assert clock.slept == pytest.approx(200 * 0.0001 * 4)


def test_it_ends_when_its_time_is_up(clock: Clock) -> None:
    pace = Pace(seconds=0.5)
    # The first as it comes, the others of STEP each.
    assert len(steps(clock, 0.001, 10_000, pace)) <= 2 + (0.5 - FIRST * 0.001) / STEP
    assert pace.is_over


def test_rounds_go_on_until_all_is_done_and_then_rest(clock: Clock) -> None:
    left = [700]

    def work(pace: Pace) -> int:
        def step(size: int) -> int:
            done = min(100, left[0])
            left[0] -= done
            clock.now += 0.1
            return done

        return pace.walk(step)

    rounds = Rounds(work, lambda behind: Pace(seconds=0.35), every=60.0)
    assert [rounds(), rounds(), rounds()] == [400, 300, 0]
    left[0] = 100
    assert rounds() == 0
    clock.now += 61
    assert rounds() == 100


def test_a_round_tells_its_pace_how_long_it_has_gone_on(clock: Clock) -> None:
    told: list[float] = []

    def pace(behind: float) -> Pace:
        told.append(behind)
        return Pace(seconds=1.0)

    def work(pace: Pace) -> int:
        clock.now += 2.0 if len(told) < 3 else 0.0
        return 1

    rounds = Rounds(work, pace, every=60.0)
    for _ in range(3):
        rounds()
        clock.now += 10
    assert told == [0.0, 12.0, 24.0]

    # That one came to its end: the next is a round of its own.
    clock.now += 60
    rounds()
    assert told[3:] == [0.0]
