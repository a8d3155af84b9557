"""The hub that ``make run`` starts: supervisor, web, worker and sandbox over SQLite."""

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
        self._whole = False
        self.port = free_port()
        env = environment(
            crew.folder / "sq", PORT=str(self.port), HUB_SANDBOX_URL=f"http://127.0.0.1:{free_port()}"
        )
        self.hub = Hub(crew, "embedded", env)

    def prepare(self, sink: Sink) -> None:
        """Make the tables and what the runs need."""
        self.hub.prepare(sink)

    def start(self, *, whole: bool) -> None:
        """Start the supervisor and all its processes, or only its worker."""
        command = ["hub.supervisor"] if whole else ["django", "worker", "--with-scheduler"]
        self._whole = whole
        self.hub.workers.append(self._crew.start("embedded", *command, env=self.hub.env))

    def warm_up(self) -> None:
        """Wait until it runs, and deliver a few."""
        running = self.hub.workers[0]
        if self._whole:
            until(lambda: running.check() or answers(self.port), "the embedded hub", START)
        until(lambda: running.check() or list(self._sockets()), "the embedded worker", START)
        self.hub.warm_up("fast")

    def memory(self) -> dict[str, Any]:
        """Tell the memory of each process, and of all."""
        pids = self.hub.pids()
        return {"mib": memory_mib(pids), "each": [memory_mib([pid]) for pid in pids]}

    def _sockets(self) -> Iterator[Path]:
        return Path(self.hub.env["HUB_HOME"]).glob("wake*")
