"""``python -m bench [--quick]``: run everything, print what was found, end with one line of JSON."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from bench import ingest, runs
from bench.embedded import EmbeddedHub
from bench.environment import environment, temporary_database
from bench.figures import last_line
from bench.hub import Hub, Sink
from bench.processes import Crew
from bench.report import FULL, QUICK, Report, Size, say

ON_POSTGRES = ("delivery", "slow", "gentle 50/s", "gentle 200/s", "memory")
TASK, BARE = "peer: task per delivery", "peer: bare celery"
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
    chosen = parser.parse_args()
    size = QUICK if chosen.quick else FULL
    report = Report(chosen.only)
    try:
        with bounded(size.limit + chosen.memory // 500), temporary_database() as database, Crew() as crew:
            Run(crew, database, size, report).all(chosen.memory)
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

    def __init__(self, crew: Crew, database: str, size: Size, report: Report):
        """``database``: URL of an empty one in PostgreSQL."""
        self.crew, self.size, self.report = crew, size, report
        self.sink = Sink(crew, environment(crew.folder))
        env = environment(crew.folder / "pg", HUB_DATABASE_URL=database, BENCH_RUN=crew.folder.name)
        self.hub = Hub(crew, "postgresql", env)
        self.embedded = EmbeddedHub(crew)

    def all(self, memory: int) -> None:
        """Do what is wanted."""
        wants = self.report.wants
        if wants(*ON_POSTGRES):
            self.hub.start_workers(2)
        self._prepare()
        if wants(*ON_POSTGRES):
            self._deliver(memory)
        self._compare()

    def _prepare(self) -> None:
        """Make the tables, which is no part of any figure: of both databases at once."""
        others = (TASK, BARE, INGEST, BATCHES, WEBHOOKS, YARDSTICK)
        wanted = {
            self.hub.prepare: self.report.wants(*ON_POSTGRES, *others),
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
        hub.stop_workers()

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
        if web:
            self._take_in(hub, web.port, "")
            web.stop()
        if yardstick:
            self._load(hub, yardstick.port, YARDSTICK, "event")
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

    def _take_in(self, hub: Hub, port: int, prefix: str) -> None:
        """One event at a time; where all is asked for, batches and signed webhooks too."""
        self._load(hub, port, f"{prefix}{INGEST}", "event")
        if self.size.whole:
            self._load(hub, port, f"{prefix}{BATCHES}", "batch")
            self._load(hub, port, f"{prefix}{WEBHOOKS}", "webhook", hub.access.get("webhook", ""))

    def _load(self, hub: Hub, port: int, name: str, kind: str, path: str = "/api/events") -> None:
        seconds = self.size.load_seconds
        self.report.part(name, lambda: ingest.load(self.crew, hub, port, kind, path=path, seconds=seconds))

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
        self._take_in(hub, self.embedded.port, "embedded ")
        part("embedded memory", self.embedded.memory)


if __name__ == "__main__":
    sys.exit(main())
