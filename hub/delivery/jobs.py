"""Work that other slices have done by the worker (as soon as it is there) or on a schedule.

A slice above registers a function here from its app's ``ready()``; delivery never imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """``run`` takes nothing; a worker's job returns how much it did, 0 for nothing left."""

    name: str
    run: Callable[[], object]
    every: float = 0.0
    #: Takes long: the embedded scheduler does it beside the others, not between them.
    apart: bool = False


_worker: dict[str, Job] = {}
_scheduled: dict[str, Job] = {}


def register_worker_job(name: str, run: Callable[[], int]) -> None:
    """Have ``run`` called by a worker whenever somebody rings, until it returns 0."""
    _worker[name] = Job(name, run)


def register_scheduled_job(
    name: str, every: float, run: Callable[[], object], *, apart: bool = False
) -> None:
    """Have ``run`` called every ``every`` seconds by one process of the hub.

    ``apart``: it takes long, and what comes every few seconds shall not wait for it.
    """
    _scheduled[name] = Job(name, run, every, apart)


def worker_jobs() -> list[Job]:
    """Return what workers do beside delivering."""
    return list(_worker.values())


def scheduled_jobs() -> dict[str, Job]:
    """Return what is done on a schedule, by name."""
    return dict(_scheduled)
