"""The hub that ``make run`` starts: supervisor, web, worker and sandbox over SQLite."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.environment import environment
from bench.hub import START, Hub, Sink, free_port
from bench.ingest import answers
from bench.processes import Crew, memory_mib, until


class EmbeddedHub:
    """Made ready at first, run later: idle processes take nothing from the other parts."""

    def __init__(self, crew: Crew):
        self._crew = crew
        self.port = free_port()
        env = environment(
            crew.folder / "sq", PORT=str(self.port), HUB_SANDBOX_URL=f"http://127.0.0.1:{free_port()}"
        )
        self.hub = Hub(crew, "embedded", env)

    def prepare(self, sink: Sink) -> None:
        """Make the tables and what the runs need."""
        self.hub.prepare(sink)

    @contextlib.contextmanager
    def running(self) -> Iterator[Hub]:
        """Run the supervisor's processes."""
        supervisor = self._crew.start("supervisor", "hub.supervisor", env=self.hub.env)
        self.hub.workers.append(supervisor)
        try:
            until(lambda: supervisor.check() or answers(self.port), "the embedded hub", START)
            until(lambda: list(self._sockets()), "the embedded worker", START)
            yield self.hub
        finally:
            self.hub.stop_workers()

    def memory(self) -> dict[str, Any]:
        """Tell the memory of each process, and of all."""
        pids = self.hub.pids()
        return {"mib": memory_mib(pids), "each": [memory_mib([pid]) for pid in pids]}

    def _sockets(self) -> Iterator[Path]:
        return Path(self.hub.env["HUB_HOME"]).glob("wake*")
