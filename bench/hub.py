"""A hub under measurement, and the sink it sends to, as the runs see them."""

import http.client
import json
import socket
import threading
import time
from typing import Any

from bench.processes import Crew, Running, cpu_seconds, threads, until

#: Seconds that interpreters get to start on a busy machine.
START = 40.0


class Sink:
    """The receiver in its own process."""

    def __init__(self, crew: Crew, env: dict[str, str]):
        self._running = crew.start("sink", "bench.sink", env=env, talks=True)
        self.port = int(self._running.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def ask(self, path: str, method: str = "GET") -> Any:
        """Return what one of its control addresses tells."""
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asking.request(method, path)
            return json.loads(asking.getresponse().read())
        finally:
            asking.close()

    def reset(self) -> None:
        """Have it count anew."""
        self.ask("/_reset", "POST")

    def count(self) -> int:
        """How many messages it answered since."""
        return int(self.ask("/_count"))

    def repeated(self) -> int:
        """How many messages came again, with an idempotency key that had been there."""
        return sum(times - 1 for times in self.ask("/_repeated").values())

    def wait_for(self, count: int, seconds: float) -> dict[str, Any]:
        """Wait for ``count`` messages, or until ``seconds`` passed; tell how many came, and when."""
        end = time.monotonic() + seconds
        while (come := self.count()) < count and time.monotonic() < end:
            time.sleep(0.02)
        return {"completed": come, "ended": time.monotonic()}

    def arrivals(self) -> dict[int, float]:
        """When each event's message arrived first."""
        return dict(self.ask("/_arrivals"))


class Hub:
    """One hub: an agent that accepts and asks, and worker processes that come and go."""

    def __init__(self, crew: Crew, name: str, env: dict[str, str]):
        self._crew, self.name, self.env = crew, name, env
        self._agent = crew.start(f"{name}-agent", "bench.within", "bench.agent", env=env, talks=True)
        self._lock = threading.Lock()
        self.workers: list[Running] = []
        self.access: dict[str, str] = {}

    def do(self, command: str, **arguments: Any) -> Any:
        """Have the agent do something; return its answer, raise RuntimeError with its traceback."""
        with self._lock:
            self._agent.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
            self._agent.stdin.flush()
            answer = self._agent.stdout.readline()
        if not answer:
            self._agent.stop()
            raise RuntimeError(f"The agent of {self.name} ended:\n{self._agent.tail()}")
        told = json.loads(answer)
        if "error" in told:
            raise RuntimeError(told["error"])
        return told["ok"]

    def prepare(self, sink: Sink) -> None:
        """Make tables, integrations, routes and keys."""
        self.access = self.do("prepare", sink_port=sink.port)

    def start_workers(self, count: int) -> None:
        """Start worker processes and wait until they listen; nothing is claimed while all is paused."""
        for number in range(count):
            name = f"{self.name}-worker-{number + 1}"
            self.workers.append(self._crew.start(name, "django", "worker", env=self.env))

    def workers_ready(self) -> None:
        """Wait until every worker has its threads: it has begun to look at the queue by then."""
        for worker in self.workers:
            until(lambda worker=worker: worker.check() or threads(worker.pids[0]) >= 3, worker.name, START)

    def stop_workers(self) -> None:
        """End the workers. They hold nothing, for all is paused: nobody waits for their farewell."""
        while self.workers:
            self.workers.pop().stop(patience=0.2)

    def warm_up(self, name: str, count: int = 300) -> None:
        """Deliver a few, so that pools are open and code is loaded, as in a hub that has run for a while."""
        self.do("preload", name=name, count=count)
        self.do("release", name=name)
        told = self.do("wait", name=name, seconds=START)
        self.do("hold", name=name)
        if told["left"]:
            logs = "\n".join(worker.tail() for worker in self.workers)
            raise RuntimeError(f"{told['left']} of {count} deliveries to warm up were not made.\n{logs}")
        self.do("clear")

    def cpu(self) -> float:
        """Processor seconds of the workers."""
        return cpu_seconds(pid for worker in self.workers for pid in worker.pids)

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [pid for worker in self.workers for pid in worker.pids]


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
