"""The runs about delivery: how many in a second, how soon, at what cost."""

import time
from collections.abc import Callable
from typing import Any

from bench.figures import latency, tidy
from bench.hub import START, Hub, Sink
from bench.peers.tuned import WAITING_WORKER, WORKER
from bench.processes import Crew, Running, cpu_seconds, memory_mib, until

#: Messages with which a peer's processes warm up.
WARM = 60
MODULES = {
    "task": ("bench.within", "celery", "-A", "bench.peers.task_per_delivery"),
    "bare": ("celery", "-A", "bench.peers.bare_celery"),
}


def delivery(
    hub: Hub,
    sink: Sink,
    count: int,
    *,
    to: str = "fast",
    seconds: float = 30.0,
    keep: bool = False,
    queued: Callable[[], object] | None = None,
) -> dict[str, Any]:
    """Queue ``count`` events while the integration is paused, let go, and wait for the last to settle.

    ``keep``: what is in the tables already stays there. ``queued`` is called before they are let go.
    """
    if not keep:
        hub.do("clear")
    there = hub.do("wait", name=to, seconds=0) if keep else {"completed": 0, "logged": 0}
    hub.do("preload", name=to, count=count)
    if queued:
        queued()
    sink.reset()
    before = hub.cpu()
    started = hub.do("release", name=to)
    # The database is asked at the end only: to be asked all the time would be work of its own.
    sink.wait_for(count, seconds)
    told = hub.do("wait", name=to, seconds=seconds)
    used = hub.cpu() - before
    hub.do("hold", name=to)
    took = told["ended"] - started
    done = told["completed"] - there["completed"]
    return {
        "per_s": tidy(done / took, 0),
        "count": done,
        "seconds": tidy(took, 3),
        "worker_cpu_us_each": tidy(used / max(1, done) * 1e6, 0),
        "logged": told["logged"] - there["logged"],
        "arrived": sink.count(),
        "repeated": sink.repeated(),
        "left": told["left"],
    }


def gentle(hub: Hub, sink: Sink, per_second: float, seconds: float, *, to: str = "fast") -> dict[str, Any]:
    """Accept events at a steady rate and see how soon after the commit each reaches the sink."""
    hub.do("clear")
    hub.do("release", name=to)
    hub.do("accept", name=to, per_second=per_second, seconds=0.5)
    sink.reset()
    before = hub.cpu()
    accepted = hub.do("accept", name=to, per_second=per_second, seconds=seconds)
    told = hub.do("wait", name=to, seconds=5)
    used = hub.cpu() - before
    arrived = sink.arrivals()
    hub.do("hold", name=to)
    waited = [arrived[number] - commit for number, commit in accepted if number in arrived]
    return {
        **latency(waited),
        "count": len(accepted),
        "missing": len(accepted) - len(waited),
        "left": told["left"],
        "worker_cpu_ms_each": tidy(used / len(accepted) * 1000, 2),
    }


class CeleryPeer:
    """A peer's worker: started, warmed up, then let go on a queue that is full already."""

    def __init__(self, crew: Crew, hub: Hub, sink: Sink, peer: str, path: str = ""):
        """``peer``: ``task`` (needs the hub's tables) or ``bare`` (needs nothing of Django's).

        ``path``: where the sink takes its messages; at ``slow``, threads wait for it.
        """
        self._hub, self._sink, self._peer = hub, sink, peer
        self._url = f"{sink.url}{path}"
        self._warm, self._work = (f"{peer}{path}.{queue}" for queue in ("warm", "work"))
        worker = WAITING_WORKER if path else WORKER
        command = [*MODULES[peer], *worker, "--queues", self._warm]
        env = {**hub.env, "DJANGO_SETTINGS_MODULE": "bench.peers.settings"}
        if peer == "bare":
            del env["DJANGO_SETTINGS_MODULE"]
        self._worker = crew.start(f"peer-{peer}{path}", *command, env=env)

    def warm_up(self) -> None:
        """Deliver a few."""
        hub, sink, worker = self._hub, self._sink, self._worker
        hub.do("clear")
        sink.reset()
        self._fill(self._warm, WARM)
        until(lambda: worker.check() or sink.count() >= WARM, f"{worker.name} to warm up", START)

    def run(self, count: int, seconds: float = 20.0) -> dict[str, Any]:
        """Deliver ``count`` messages; end the worker."""
        hub, sink, worker = self._hub, self._sink, self._worker
        try:
            hub.do("clear")
            self._fill(self._work, count)
            sink.reset()
            before = cpu_seconds(worker.pids)
            started = hub.do("consume", peer=self._peer, queue=self._work)
            told = self._watch(count, seconds)
            used = cpu_seconds(worker.pids) - before
        finally:
            # It has nothing left to do, or has taken too long: nobody waits for its farewell.
            worker.stop(patience=0.2)
        took, done = told["ended"] - started, told["completed"]
        return {
            "per_s": tidy(done / took, 0),
            "count": done,
            "seconds": tidy(took, 3),
            "worker_cpu_us_each": tidy(used / max(1, done) * 1e6, 0),
            "left": count - done,
        }

    def _fill(self, queue: str, count: int) -> None:
        if self._peer == "task":
            self._hub.do("preload", name="fast", count=count)
        self._hub.do("push", peer=self._peer, queue=queue, count=count, url=self._url)

    def _watch(self, count: int, seconds: float) -> dict[str, Any]:
        if self._peer == "task":
            return dict(self._hub.do("wait", name="fast", seconds=seconds))
        return self._sink.wait_for(count, seconds)


class ProcrastinatePeer:
    """Two processes of procrastinate over the run's PostgreSQL, told line by line what to do."""

    def __init__(self, crew: Crew, hub: Hub, sink: Sink):
        self._sink = sink
        self._processes = [
            crew.start(
                f"peer-procrastinate-{number}", "bench.peers.procrastinate_jobs", env=hub.env, talks=True
            )
            for number in (1, 2)
        ]

    def warm_up(self) -> None:
        """Make its tables and deliver a few."""
        self._tell(self._processes[:1], "tables")
        self.run("warm", WARM)

    def run(self, queue: str, count: int, path: str = "") -> dict[str, Any]:
        """Deliver ``count`` jobs of ``queue``; until the last of them is settled."""
        self._tell(self._processes[:1], f"fill {queue} {count} {self._sink.url}{path}")
        self._sink.reset()
        pids = [pid for process in self._processes for pid in process.pids]
        before, started = cpu_seconds(pids), time.monotonic()
        self._tell(self._processes, f"work {queue}")
        took, done = time.monotonic() - started, self._sink.count()
        return {
            "per_s": tidy(done / took, 0),
            "count": done,
            "seconds": tidy(took, 3),
            "worker_cpu_us_each": tidy((cpu_seconds(pids) - before) / max(1, done) * 1e6, 0),
            "left": count - done,
        }

    def stop(self) -> None:
        """End its processes."""
        for process in self._processes:
            process.stop(patience=3)

    def _tell(self, processes: list[Running], line: str) -> None:
        for process in processes:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        for process in processes:
            if process.stdout.readline().strip() != b"done":
                raise RuntimeError(f"{process.name} ended:\n{process.tail()}")


def memory(hub: Hub, sink: Sink, count: int, rounds: int) -> dict[str, Any]:
    """Deliver ``rounds`` times ``count`` events; tell the workers' memory after the first and the last."""
    seen = []
    for _ in range(rounds):
        delivery(hub, sink, count, seconds=120)
        seen.append([memory_mib([pid]) for pid in hub.pids()])
    return {
        "deliveries": rounds * count,
        "first_mib": seen[0],
        "last_mib": seen[-1],
        "growth_percent": tidy((sum(seen[-1]) / sum(seen[0]) - 1) * 100, 1),
    }
