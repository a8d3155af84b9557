"""``python -m bench [--quick]``: run everything, print what was found, end with one line of JSON."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from bench import endurance, ingest, runs
from bench.embedded import EmbeddedHub
from bench.environment import environment, temporary_database
from bench.figures import last_line
from bench.hub import Hub, Sink
from bench.processes import Crew
from bench.report import FULL, QUICK, Report, Size, say

ON_POSTGRES = ("delivery", "slow", "gentle 50/s", "gentle 200/s", "memory")
TASK, BARE = "peer: task per delivery", "peer: bare celery"
SLOW_BARE, PROCRASTINATE = "peer slow: bare celery", "peer: procrastinate"
SLOW_PROCRASTINATE = "peer slow: procrastinate"
MORE_PEERS = (SLOW_BARE, PROCRASTINATE, SLOW_PROCRASTINATE)
YARDSTICK = "yardstick: DRF generic view"
INGEST, BATCHES, WEBHOOKS = "ingest", "ingest: batches of 100", "ingest: signed webhooks"
EMBEDDED = tuple(f"embedded {name}" for name in (*ON_POSTGRES, INGEST, BATCHES, WEBHOOKS))


def main() -> int:
    """Run; return 0 unless a part failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events, within 50 seconds")
    parser.add_argument(
        "--only", default="", metavar="NAMES", help="parts, with commas; patterns like 'peer*' are taken"
    )
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="flatness over N deliveries")
    parser.add_argument(
        "--count",
        type=int,
        default=0,
        metavar="N",
        help="rows or deliveries of the parts that are done by name",
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="worker processes (2)")
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else FULL
    report = Report(chosen.only)
    try:
        limit = size.limit + chosen.memory // 500 + (3600 + chosen.count // 200 if chosen.only else 0)
        with bounded(limit), temporary_database() as database, Crew() as crew:
            Run(crew, database, size, report, chosen.workers).all(chosen.memory, chosen.count)
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


class Run:
    """All parts, one after the other: on two cores nothing else may run beside one."""

    def __init__(self, crew: Crew, database: str, size: Size, report: Report, workers: int = 2):
        """``database``: URL of an empty one in PostgreSQL; ``workers``: processes over it."""
        self.crew, self.size, self.report, self.workers = crew, size, report, workers
        self.sink = Sink(crew, environment(crew.folder))
        env = environment(crew.folder / "pg", HUB_DATABASE_URL=database, BENCH_RUN=crew.folder.name)
        self.hub = Hub(crew, "postgresql", env)
        self.embedded = EmbeddedHub(crew)

    def all(self, memory: int, count: int) -> None:
        """Do what is wanted; ``count``: how much of what is only done by name."""
        wants = self.report.wants
        by_name = [name for name in endurance.PARTS if self.report.asked(name)]
        if wants(*ON_POSTGRES) or by_name:
            self.hub.start_workers(self.workers)
        self._prepare(bool(by_name))
        if wants(*ON_POSTGRES):
            self._deliver(memory)
        for name in by_name:
            self.report.part(
                name, lambda run=endurance.PARTS[name]: run(self.crew, self.hub, self.sink, count)
            )
        self.hub.stop_workers()
        self._compare()

    def _prepare(self, by_name: bool) -> None:
        """Make the tables, which is no part of any figure: of both databases at once."""
        others = (TASK, BARE, *MORE_PEERS, INGEST, BATCHES, WEBHOOKS, YARDSTICK)
        wanted = {
            self.hub.prepare: by_name or self.report.wants(*ON_POSTGRES, *others),
            self.embedded.prepare: self.report.wants(*EMBEDDED),
        }
        with ThreadPoolExecutor() as pool:
            for each in [pool.submit(prepare, self.sink) for prepare, needed in wanted.items() if needed]:
                each.result()

    def _deliver(self, memory: int) -> None:
        """Two worker processes over PostgreSQL."""
        hub, sink, size, part = self.hub, self.sink, self.size, self.report.part
        hub.workers_ready()
        hub.warm_up("fast")
        part("delivery", lambda: runs.delivery(hub, sink, size.delivery))
        part("slow", lambda: runs.delivery(hub, sink, size.slow, to="slow"))
        for rate in size.rates:
            part(f"gentle {rate}/s", lambda rate=rate: runs.gentle(hub, sink, rate, size.gentle_seconds))
        if memory:
            part("memory", lambda: runs.memory(hub, sink, 10_000, max(2, memory // 10_000)))

    def _compare(self) -> None:
        """Peers, intake and the embedded hub.

        All are started at once, because starting is what takes long, and an idle process takes
        nothing; then they have their turns.
        """
        wants, crew, hub = self.report.wants, self.crew, self.hub
        task = runs.CeleryPeer(crew, hub, self.sink, "task") if wants(TASK) else None
        bare = runs.CeleryPeer(crew, hub, self.sink, "bare") if wants(BARE) else None
        web = ingest.Web(crew, hub, *ingest.HUB) if wants(INGEST, BATCHES, WEBHOOKS) else None
        yardstick = ingest.Web(crew, hub, *ingest.YARDSTICK) if wants(YARDSTICK) else None
        embedded = self.embedded if wants(*EMBEDDED) else None
        if embedded:
            embedded.start(whole=self.size.whole)
        started = [each for each in (task, bare, web, yardstick, embedded) if each]
        for each in started:
            each.warm_up()
        self._let_peers(task, bare)
        if self.size.more_peers and wants(*MORE_PEERS):
            self._let_more_peers()
        if web:
            self._take_in(hub, web.port, "", web.cpu)
            web.stop()
        if yardstick:
            self._load(hub, yardstick.port, YARDSTICK, "event", yardstick.cpu)
            yardstick.stop()
        if embedded:
            self._embedded()

    def _let_peers(self, task: runs.CeleryPeer | None, bare: runs.CeleryPeer | None) -> None:
        if task:
            self.report.part(TASK, lambda: task.run(self.size.task_peer))
        if bare:
            self.report.part(BARE, lambda: bare.run(self.size.bare_peer))
        if task or bare:
            self.hub.do("purge")

    def _let_more_peers(self) -> None:
        """The sink that answers after 50 ms, and a queue in PostgreSQL."""
        crew, hub, sink, count = self.crew, self.hub, self.sink, self.size.more_peers
        if self.report.wants(SLOW_BARE):
            bare = runs.CeleryPeer(crew, hub, sink, "bare", "slow")
            bare.warm_up()
            self.report.part(SLOW_BARE, lambda: bare.run(count))
            hub.do("purge")
        if self.report.wants(PROCRASTINATE, SLOW_PROCRASTINATE):
            other = runs.ProcrastinatePeer(crew, hub, sink)
            other.warm_up()
            self.report.part(PROCRASTINATE, lambda: other.run("fast", count))
            self.report.part(SLOW_PROCRASTINATE, lambda: other.run("slow", count, "slow"))
            other.stop()

    def _take_in(self, hub: Hub, port: int, prefix: str, cpu: Callable[[], float]) -> None:
        """One event at a time; where all is asked for, batches and signed webhooks too."""
        self._load(hub, port, f"{prefix}{INGEST}", "event", cpu)
        if self.size.whole:
            self._load(hub, port, f"{prefix}{BATCHES}", "batch", cpu)
            self._load(hub, port, f"{prefix}{WEBHOOKS}", "webhook", cpu)

    def _load(self, hub: Hub, port: int, name: str, kind: str, cpu: Callable[[], float]) -> None:
        path = hub.access["webhook"] if kind == "webhook" else "/api/events"
        seconds = self.size.load_seconds
        self.report.part(
            name, lambda: ingest.load(self.crew, hub, port, kind, path=path, seconds=seconds, cpu=cpu)
        )

    def _embedded(self) -> None:
        """What 'make run' starts, over SQLite; in a quick run its worker alone."""
        hub, sink, size, part = self.embedded.hub, self.sink, self.size, self.report.part
        part("embedded delivery", lambda: runs.delivery(hub, sink, size.embedded))
        if not size.whole:
            return
        for rate in size.rates:
            part(
                f"embedded gentle {rate}/s",
                lambda rate=rate: runs.gentle(hub, sink, rate, size.gentle_seconds),
            )
        self._take_in(hub, self.embedded.port, "embedded ", hub.cpu)
        part("embedded memory", self.embedded.memory)


if __name__ == "__main__":
    sys.exit(main())
