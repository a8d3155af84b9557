"""Peer: procrastinate, whose queue is a table of PostgreSQL. The job carries the event; its row is kept.

``python -m bench.peers.procrastinate_jobs`` does what each line of its input asks for, and answers ``done``:
``tables``, ``fill QUEUE COUNT ADDRESS``, or ``work QUEUE``, which does all jobs of that queue.
"""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import requests
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from bench.payload import order

#: Jobs of one process at a time: enough for a sink that takes 50 ms, on threads.
AT_ONCE = 50
#: Jobs that one statement inserts.
CHUNK = 500
ADDRESS = os.environ.get("HUB_DATABASE_URL", "")
app = App(connector=PsycopgConnector(conninfo=ADDRESS, min_size=2, max_size=10))
_local = threading.local()


@app.task(name="bench.post")
def post(url: str, data: dict[str, Any]) -> None:
    """Post one event."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    body = {"type": "bench.order", "timestamp": "2026-01-31T12:00:00Z", "data": data}
    _local.session.post(url, json=body, timeout=10).raise_for_status()


def tables() -> None:
    """Make procrastinate's tables."""
    with app.replace_connector(SyncPsycopgConnector(conninfo=ADDRESS)), app.open():
        app.schema_manager.apply_schema()


def fill(queue: str, count: str, url: str) -> None:
    """Put ``count`` jobs that post to ``url`` into ``queue``; let the database know its tables."""
    jobs = app.tasks["bench.post"].configure(queue=queue)
    with app.replace_connector(SyncPsycopgConnector(conninfo=ADDRESS)), app.open():
        for start in range(0, int(count), CHUNK):
            numbers = range(start, min(start + CHUNK, int(count)))
            jobs.batch_defer(*({"url": url, "data": order(number)} for number in numbers))
    with psycopg.connect(ADDRESS, autocommit=True) as server:
        server.execute("VACUUM ANALYZE procrastinate_jobs")


def work(queue: str) -> None:
    """Do all jobs of ``queue``."""
    asyncio.run(_work(queue))


async def _work(queue: str) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
    async with app.open_async():
        await app.run_worker_async(
            queues=[queue], concurrency=AT_ONCE, wait=False, install_signal_handlers=False
        )


def main() -> None:
    """Obey until the input ends."""
    for line in sys.stdin:
        command, *arguments = line.split()
        {"tables": tables, "fill": fill, "work": work}[command](*arguments)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
