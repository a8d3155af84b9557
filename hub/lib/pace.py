"""The pace of work in the background: short steps, with rests between them, for a limited time.

Removing millions of rows must never be felt by those who deliver: a step holds locks (on SQLite, the
one write lock) for a moment only, and a rest gives processor and disk to the others.
"""

import time
from collections.abc import Callable

#: Seconds that one step should take: far from the 50 ms that a claim may be held up, also where the step
#: after a quick one meets rows that are slower to go, or the processor is busy.
STEP = 0.01
LEAST, FIRST, MOST = 10, 100, 500


class Pace:
    """How many rows to take at once, how long to rest, and when it is enough for this time."""

    def __init__(self, seconds: float = 10.0, rest: Callable[[], float] = lambda: 0.0):
        """``rest``: how many times as long as a step took the rest after it shall be."""
        self._ends = time.monotonic() + seconds
        self._rest = rest
        self._size = FIRST

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends

    def walk(self, step: Callable[[int], int]) -> int:
        """Call ``step`` with a number of rows until it finds none, or the time is up; return the sum.

        ``step`` does that many rows at most, in a transaction of its own, and returns how many it did.
        """
        done = 0
        while not self.is_over:
            began = time.monotonic()
            count = step(self._size)
            took = time.monotonic() - began
            if not count:
                break
            done += count
            self._adapt(count, took)
            if rest := self._rest() * took:
                time.sleep(rest)
        return done

    def _adapt(self, count: int, took: float) -> None:
        """Take as many as fit into a step; grow slowly, shrink at once."""
        fits = int(count * STEP / max(took, 0.0001))
        self._size = max(LEAST, min(fits, self._size * 2, MOST))


class Rounds:
    """Long work in slices: called again and again, it goes on until all is done, then rests for long."""

    def __init__(self, work: Callable[[Pace], int], pace: Callable[[float], Pace], every: float = 6 * 3600.0):
        """``work`` does what it can at the pace given; ``every``: seconds until the next round.

        ``pace`` is told how many seconds ago the round began, so that one that does not come to its
        end can be given more of the time.
        """
        self._work, self._pace, self._every = work, pace, every
        self._not_before = 0.0
        self._began: float | None = None

    def __call__(self) -> int:
        """Do a slice, if there may be anything to do; return how much was done."""
        now = time.monotonic()
        if now < self._not_before:
            return 0
        if self._began is None:
            self._began = now
        pace = self._pace(now - self._began)
        done = self._work(pace)
        if not pace.is_over:
            self._began = None
            self._not_before = time.monotonic() + self._every
        return done
