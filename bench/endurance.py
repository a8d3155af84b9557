"""Parts that take long, done only by name (``--only retention``): the hub after months, and under strain.

``--count`` says how much of it; without it, a size that shows the shape within minutes.
"""

import contextlib
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.fairness import fairness
from bench.figures import percentile, tidy
from bench.hub import START, Hub, Sink
from bench.processes import Crew, until
from bench.runs import delivery

#: What is delivered in one round.
ROUND = 4_000
#: Rounds of a comparison, without and with what is compared, in turns: shorter than a slice of pruning.
PAIRS, LONG_ROUND = 6, 12_000
#: Rows in the queue beside those that are delivered.
SIZES = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)


def retention(crew: Crew, hub: Hub, sink: Sink, count: int) -> dict[str, Any]:
    """Deliver in turns without and with the scheduler's pruning of ``count`` old finished items beside.

    In turns, because the machine is never the same for minutes; and each time with a scheduler just
    started, so that the round lies within a slice of its pruning, not between two.
    """
    count = count or 200_000
    _ready(hub)
    hub.do("age", state="completed", first=1, count=count)
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(PAIRS):
        alone.append(_round(hub, sink, LONG_ROUND))
        with contextlib.ExitStack() as pruning:
            start = partial(_start_pruning, crew, hub, pruning)
            beside.append(_round(hub, sink, LONG_ROUND, start))
    with contextlib.ExitStack() as pruning:
        _start_pruning(crew, hub, pruning)
        claims = hub.do("claims", name="slow", seconds=10)
    left = hub.do("aged", state="completed")
    ours, theirs = statistics.median(beside), statistics.median(alone)
    return {
        "percent_of_alone": tidy(ours / theirs * 100, 1),
        "old_rows": count,
        "alone_per_s": tidy(theirs, 0),
        "alone_from_to": [tidy(min(alone), 0), tidy(max(alone), 0)],
        "beside_pruning_per_s": tidy(ours, 0),
        "beside_from_to": [tidy(min(beside), 0), tidy(max(beside), 0)],
        "pruned": count - left,
        "claim_p99_ms": tidy(percentile(claims, 0.99) * 1000, 1),
        "claim_max_ms": tidy(max(claims) * 1000, 1),
    }


def _start_pruning(crew: Crew, hub: Hub, until_left: contextlib.ExitStack) -> None:
    """Start a scheduler and wait until old rows go; it ends with ``until_left``."""
    oldest = hub.do("oldest", state="completed")
    pruner = crew.start("pruner", "django", "scheduler", env={**hub.env, "HUB_RETENTION_DAYS": "30"})
    # In the middle of its slice; what it has not committed stays.
    until_left.callback(pruner.stop, patience=0.2)
    until(lambda: pruner.check() or hub.do("oldest", state="completed") != oldest, "the first to go", START)


def _ready(hub: Hub) -> None:
    hub.workers_ready()
    hub.warm_up("fast")


def _round(hub: Hub, sink: Sink, count: int, queued: Callable[[], object] | None = None) -> float:
    return float(delivery(hub, sink, count, seconds=120, keep=True, queued=queued)["per_s"])


def rows(crew: Crew, hub: Hub, sink: Sink, count: int) -> dict[str, Any]:
    """Deliver with more and more rows in the queue, half of them finished, half of them due much later."""
    found: dict[str, Any] = {}
    there = 0
    _ready(hub)
    for size in [each for each in SIZES if each <= (count or SIZES[2])]:
        for state in ("completed", "pending"):
            hub.do("age", state=state, first=there + 1, count=(size - there) // 2)
        there = size
        told = [delivery(hub, sink, ROUND, seconds=120, keep=True) for _ in range(2)][-1]
        found[f"{size:,} rows"] = f"{told['per_s']:.0f}/s {told['worker_cpu_us_each']:.0f} us"
    return found


def idle(crew: Crew, hub: Hub, sink: Sink, count: int) -> dict[str, Any]:
    """What two workers with nothing to do take of a core, over ``count`` seconds (60)."""
    seconds = count or 60
    _ready(hub)
    time.sleep(5)
    before, began = hub.cpu(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    used = (hub.cpu() - before) / took / max(1, len(hub.workers))
    return {"percent_of_a_core_each": tidy(used * 100, 2), "seconds": tidy(took, 0)}


Part = Callable[[Crew, Hub, Sink, int], dict[str, Any]]
PARTS: dict[str, Part] = {"retention": retention, "rows": rows, "fairness": fairness, "idle": idle}
