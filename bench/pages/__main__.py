"""``python -m bench.pages``: how long the admin's pages and the API's answers take in a busy, large hub."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.environment import environment, temporary_database


def main() -> int:
    """Make a database (or take ``--database``), fill it, measure; return 1 where a page is too slow."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--scale", type=float, default=float(os.environ.get("BENCH_SCALE", "1")))
    parser.add_argument("--times", type=int, default=20, help="how often each page is opened")
    parser.add_argument("--only", default="", help="only places whose name holds this")
    parser.add_argument("--seed-only", action="store_true", help="fill the database and leave it at that")
    parser.add_argument("--database", default="", metavar="URL", help="filled where it is empty, and kept")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        url = chosen.database or stack.enter_context(temporary_database())
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-pages-"))
        asked = {
            "scale": chosen.scale,
            "times": chosen.times,
            "only": chosen.only,
            "seed_only": chosen.seed_only,
        }
        command = [sys.executable, "-m", "bench.within", "bench.pages.run", json.dumps(asked)]
        return subprocess.call(command, env=environment(Path(home), HUB_DATABASE_URL=url))


if __name__ == "__main__":
    sys.exit(main())
