"""``python -m bench.syncing``: every part on PostgreSQL and on SQLite; the last line is one JSON object.

``ROWS`` (1000000) says how many rows are imported; ``ROWS=100000`` makes it short.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from typing import Any

import orjson

from bench.environment import environment, temporary_database
from bench.processes import Crew


def main() -> int:
    """Run; return 0 unless a part failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.syncing", description=__doc__)
    parser.add_argument("--only", choices=("postgresql", "sqlite"), help="one database")
    chosen = parser.parse_args()
    told: dict[str, Any] = {"rows": int(os.environ.get("ROWS", "1000000"))}
    failed = False
    with temporary_database() as database, Crew() as crew:
        urls = {"postgresql": database, "sqlite": ""}
        for name, url in urls.items():
            if chosen.only in (None, name):
                found = dict(_measure(crew, name, url))
                told[name] = found
                failed |= "error" in found
    say(orjson.dumps(told).decode())
    return int(failed)


def _measure(crew: Crew, name: str, url: str) -> Iterator[tuple[str, Any]]:
    far = crew.start(f"{name}-far", "bench.syncing.far_side", env=environment(crew.folder), talks=True)
    port = int(far.stdout.readline())
    extra = {"HUB_SANDBOX_URL": f"http://127.0.0.1:{port}"} | ({"HUB_DATABASE_URL": url} if url else {})
    extra |= {key: os.environ[key] for key in ("ROWS", "BENCH_PROFILE") if key in os.environ}
    env = environment(crew.folder / name, **extra)
    hub = crew.start(name, "bench.within", "bench.syncing.parts", env=env, talks=True)
    say(f"\n{name}")
    for line in hub.stdout:
        figures = orjson.loads(line)
        part = figures.pop("part")
        say(f"  {part:26} " + "  ".join(f"{key} {value:,}" for key, value in figures.items()))
        yield part, figures
    if hub._process.wait() != 0:
        say(hub.tail())
        yield "error", hub.tail()
    far.stop()


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
