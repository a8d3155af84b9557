"""The runs about intake: one event, a batch, a signed webhook, and the same work in a DRF view."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

from bench.figures import tidy
from bench.hub import START, Hub, free_port
from bench.load import BATCH
from bench.processes import Crew, until

#: As many as the specification of the runs says.
CONNECTIONS = 16
HUB = "hub.wsgi:application"
YARDSTICK = "bench.yardstick.wsgi:application"


@contextlib.contextmanager
def web(
    crew: Crew, hub: Hub, application: str, *, workers: int, threads: int, settings: str
) -> Iterator[int]:
    """Serve ``application`` with granian, as the hub's own web process is served; yield the port."""
    port = free_port()
    command = [
        *("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--no-ws", "--log-level", "error", application),
    ]
    env = {**hub.env, "DJANGO_SETTINGS_MODULE": settings}
    server = crew.start(f"web-{application.split('.')[0]}-{port}", *command, env=env)
    try:
        until(lambda: server.check() or answers(port), "the web server", START)
        yield port
    finally:
        server.stop()


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
    crew: Crew, hub: Hub, port: int, kind: str, *, path: str = "/api/events", seconds: float
) -> dict[str, Any]:
    """Send requests of a kind for a while; a batch counts as its events."""
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
    return told
