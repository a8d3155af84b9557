"""``python -m bench [--quick]``: run everything, print what was found, end with one line of JSON."""

import argparse
import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Any

from bench import ingest, runs
from bench.embedded import EmbeddedHub
from bench.environment import environment, temporary_database
from bench.figures import last_line, line
from bench.hub import Hub, Sink
from bench.processes import Crew

ON_POSTGRES = ("delivery", "slow", "gentle 50/s", "gentle 200/s", "memory")
PEERS = ("peer: task per delivery", "peer: bare celery")
BATCHES, WEBHOOKS = "batches of 100", "signed webhooks"
YARDSTICK = "yardstick: DRF generic view"
INTAKE = ("ingest", f"ingest: {BATCHES}", f"ingest: {WEBHOOKS}", YARDSTICK)
EMBEDDED = tuple(f"embedded {name}" for name in (*ON_POSTGRES, *INTAKE[:3]))
Results = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: events of a run, seconds of another."""

    delivery: int
    slow: int
    embedded: int
    task_peer: int
    bare_peer: int
    rates: tuple[int, ...]
    gentle_seconds: float
    load_seconds: float
    whole: bool
    #: Seconds after which the run is given up.
    limit: int


QUICK = Size(4000, 4000, 4000, 1200, 2400, (50,), 4.0, 2.5, False, 100)
FULL = Size(10_000, 10_000, 10_000, 4000, 8000, (50, 200), 20.0, 10.0, True, 900)


class Report:
    """Runs the parts, prints each result when it is there, and goes on where one fails."""

    def __init__(self, only: str):
        self.results: Results = {}
        self.failed = False
        self._only = only
        self._began = time.monotonic()

    def part(self, name: str, run: Callable[[], dict[str, Any]]) -> None:
        """Do one part."""
        if self._only not in name:
            return
        try:
            self.results[name] = run()
            told = line(name, self.results[name])
        except Exception:
            self.failed = True
            told = f"{name}: failed\n{traceback.format_exc()}"
        say(f"{time.monotonic() - self._began:6.1f} s  {told}")

    def wants(self, *names: str) -> bool:
        """Whether one of these parts is to be done."""
        return any(self._only in name for name in names)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run; return 0 unless a part failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events, within 50 seconds")
    parser.add_argument("--only", default="", help="only the parts whose name holds this")
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="flatness over N deliveries")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else FULL
    report = Report(chosen.only)
    try:
        with bounded(size.limit + chosen.memory // 500), temporary_database() as database, Crew() as crew:
            measure(crew, database, size, report, chosen.memory)
    finally:
        say(last_line(report.results))
    return int(report.failed)


@contextlib.contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """End everything in good order at SIGTERM, and when ``seconds`` have passed."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise SystemExit(f"The run was ended by {signal.Signals(number).name}.")

    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def measure(crew: Crew, database: str, size: Size, report: Report, memory: int) -> None:
    """Do all parts, one after the other: on two cores nothing else may run beside one."""
    sink = Sink(crew, environment(crew.folder))
    hub = Hub(crew, "postgresql", environment(crew.folder / "pg", HUB_DATABASE_URL=database))
    embedded = EmbeddedHub(crew)
    wanted = {
        hub.prepare: any(report.wants(*names) for names in (ON_POSTGRES, PEERS, INTAKE)),
        embedded.prepare: report.wants(*EMBEDDED),
    }
    # Making the tables is no part of any figure: both databases at once.
    with ThreadPoolExecutor() as pool:
        for each in [pool.submit(prepare, sink) for prepare, needed in wanted.items() if needed]:
            each.result()
    deliveries(hub, sink, size, report, memory)
    peers(crew, hub, sink, size, report)
    intake(crew, hub, size, report)
    embedded_parts(crew, embedded, sink, size, report)


def deliveries(hub: Hub, sink: Sink, size: Size, report: Report, memory: int) -> None:
    """Two worker processes over PostgreSQL."""
    if not report.wants(*ON_POSTGRES):
        return
    hub.start_workers(2)
    hub.workers_ready()
    hub.warm_up("fast")
    report.part("delivery", lambda: runs.delivery(hub, sink, size.delivery))
    report.part("slow", lambda: runs.delivery(hub, sink, size.slow, to="slow"))
    for rate in size.rates:
        report.part(f"gentle {rate}/s", lambda rate=rate: runs.gentle(hub, sink, rate, size.gentle_seconds))
    if memory:
        report.part("memory", lambda: runs.memory(hub, sink, 10_000, max(2, memory // 10_000)))
    hub.stop_workers()


def peers(crew: Crew, hub: Hub, sink: Sink, size: Size, report: Report) -> None:
    """What others would build, against the same sink and (where it keeps anything) the same database."""
    task, bare = "bench.peers.task_per_delivery", "bench.peers.bare_celery"
    report.part(
        PEERS[0],
        lambda: runs.celery_peer(crew, hub, sink, "task", task, size.task_peer),
    )
    report.part(PEERS[1], lambda: runs.celery_peer(crew, hub, sink, "bare", bare, size.bare_peer))


def intake(crew: Crew, hub: Hub, size: Size, report: Report) -> None:
    """The hub's web process over PostgreSQL, and the yardstick in the same place."""
    seconds = size.load_seconds
    served = {"workers": 2, "threads": 4}
    if report.wants(*INTAKE[:3]):
        with ingest.web(crew, hub, ingest.HUB, settings="hub.settings", **served) as port:
            report.part("ingest", lambda: ingest.load(crew, hub, port, "event", seconds=seconds))
            if size.whole:
                more_intake(crew, hub, port, seconds, report, "ingest")
    if report.wants(YARDSTICK):
        settings = "bench.yardstick.settings"
        with ingest.web(crew, hub, ingest.YARDSTICK, settings=settings, **served) as port:
            report.part(
                YARDSTICK,
                lambda: ingest.load(crew, hub, port, "event", seconds=seconds),
            )


def more_intake(crew: Crew, hub: Hub, port: int, seconds: float, report: Report, name: str) -> None:
    """Batches and webhooks."""
    report.part(f"{name}: {BATCHES}", lambda: ingest.load(crew, hub, port, "batch", seconds=seconds))
    path = hub.access["webhook"]
    report.part(
        f"{name}: {WEBHOOKS}",
        lambda: ingest.load(crew, hub, port, "webhook", path=path, seconds=seconds),
    )


def embedded_parts(crew: Crew, embedded: EmbeddedHub, sink: Sink, size: Size, report: Report) -> None:
    """What 'make run' starts, over SQLite."""
    if not report.wants(*EMBEDDED):
        return
    with embedded.running() as hub:
        hub.warm_up("fast")
        report.part("embedded delivery", lambda: runs.delivery(hub, sink, size.embedded))
        for rate in size.rates if size.whole else ():
            report.part(
                f"embedded gentle {rate}/s",
                lambda rate=rate: runs.gentle(hub, sink, rate, size.gentle_seconds),
            )
        if size.whole:
            report.part(
                "embedded ingest",
                lambda: ingest.load(crew, hub, embedded.port, "event", seconds=size.load_seconds),
            )
            more_intake(crew, hub, embedded.port, size.load_seconds, report, "embedded ingest")
        report.part("embedded memory", embedded.memory)


if __name__ == "__main__":
    sys.exit(main())
