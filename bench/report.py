"""How much a run does, which parts were asked for, and what came of each."""

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from bench.figures import line


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: events (or messages) of a part, or seconds of it."""

    delivery: int
    slow: int
    embedded: int
    task_peer: int
    bare_peer: int
    #: Messages of each of the peers that the last line does not tell of; 0: not done unless named.
    more_peers: int
    rates: tuple[int, ...]
    gentle_seconds: float
    load_seconds: float
    #: Also the parts that the last line does not tell.
    whole: bool
    #: Seconds after which the run is given up.
    limit: int


QUICK = Size(6000, 6000, 6000, 800, 1600, 0, (50,), 3.0, 2.5, False, 100)
FULL = Size(10_000, 10_000, 10_000, 4000, 8000, 3000, (50, 200), 20.0, 10.0, True, 900)


class Report:
    """Does the parts, prints each result when it is there, and goes on where one fails."""

    def __init__(self, only: str):
        """``only``: names or patterns of parts, with commas between them; empty: all."""
        self.results: dict[str, dict[str, Any]] = {}
        self.failed = False
        self._patterns = [pattern.strip() for pattern in only.split(",") if pattern.strip()]
        self._began = time.monotonic()

    def wants(self, *names: str) -> bool:
        """Whether one of these parts is to be done."""
        return not self._patterns or any(
            fnmatch(name, pattern) for name in names for pattern in self._patterns
        )

    def asked(self, name: str) -> bool:
        """Whether a part that takes long was named."""
        return bool(self._patterns) and self.wants(name)

    def part(self, name: str, run: Callable[[], dict[str, Any]]) -> None:
        """Do one part, if it is wanted."""
        if not self.wants(name):
            return
        try:
            self.results[name] = run()
            told = line(name, self.results[name])
        except Exception:
            self.failed = True
            told = f"{name}: failed\n{traceback.format_exc()}"
        say(f"{time.monotonic() - self._began:6.1f} s  {told}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
