"""The runs about intake: one event, a batch, a signed webhook, and the same work in a DRF view."""

import contextlib
import http.client
import json
from collections.abc import Callable
from typing import Any

from bench.figures import tidy
from bench.hub import START, Hub, free_port
from bench.load import BATCH
from bench.processes import Crew, cpu_seconds, until

#: As many as the specification of the runs says.
CONNECTIONS = 16
#: Web processes and threads of each, over PostgreSQL; 'make run' has its own.
WORKERS, THREADS = 2, 16
HUB = ("hub.wsgi:application", "hub.settings")
YARDSTICK = ("bench.yardstick.wsgi:application", "bench.yardstick.settings")


class Web:
    """``application`` served by granian, as the hub's own web process is served."""

    def __init__(self, crew: Crew, hub: Hub, application: str, settings: str):
        """Start it; ``settings`` names the settings module."""
        self.port = free_port()
        command = [
            *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--workers", str(WORKERS), "--blocking-threads", str(THREADS)),
            *("--no-ws", "--log-level", "error", application),
        ]
        env = {**hub.env, "DJANGO_SETTINGS_MODULE": settings}
        self._server = crew.start(f"web-{self.port}", *command, env=env)

    def warm_up(self) -> None:
        """Wait until it answers."""
        until(lambda: self._server.check() or answers(self.port), "the web server", START)

    def cpu(self) -> float:
        """Processor seconds that it has used."""
        return cpu_seconds(self._server.pids)

    def stop(self) -> None:
        """End it."""
        self._server.stop()


def answers(port: int) -> bool:
    """Whether something speaks HTTP on ``port``."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            asking.request("GET", "/healthz")
            return asking.getresponse().status < 500
        finally:
            asking.close()
    return False


def load(
    crew: Crew,
    hub: Hub,
    port: int,
    kind: str,
    *,
    path: str = "/api/events",
    seconds: float,
    cpu: Callable[[], float],
) -> dict[str, Any]:
    """Send requests of a kind for a while; a batch counts as its events.

    ``cpu``: processor seconds that the server has used.
    """
    hub.do("clear")
    options = {
        "port": port,
        "path": path,
        "kind": kind,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "key": hub.access["key"],
        "secret": hub.access["secret"],
    }
    before = cpu()
    running = crew.start("load", "bench.load", json.dumps(options), env=hub.env, talks=True)
    said = running.stdout.read()
    running.stop()
    if not said:
        raise RuntimeError(f"The load generator ended:\n{running.tail()}")
    told: dict[str, Any] = json.loads(said)
    if kind == "batch":
        told["per_s"] = tidy((told["per_s"] or 0) * BATCH, 0)
    if any(not status.startswith("2") for status in told["statuses"]):
        raise RuntimeError(f"Not every request was accepted: {told['statuses']}")
    # What was answered is there: nothing was accepted that is not kept.
    told["kept"] = hub.do("counted")
    events = told["kept"]["receivedwebhook" if kind == "webhook" else "event"]
    # Of all that came, also before and after the time that counts.
    told["server_cpu_us_each"] = tidy((cpu() - before) / max(1, events) * 1e6, 0)
    return told
