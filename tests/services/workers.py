"""Worker processes of the hub over the tests' PostgreSQL and Redis, as ``manage.py worker`` starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from hub.delivery.models import WorkerBeat
from tests.hub.running import short_home, wait_until

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return what a process over the test database is given."""
    database = connection.settings_dict
    host, port = database["HOST"] or "127.0.0.1", database["PORT"] or 5432
    url = f"postgres://{database['USER']}:{database['PASSWORD']}@{host}:{port}/{database['NAME']}"
    own = {
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_HOME": str(home),
        "HUB_DATABASE_URL": url,
        "HUB_BROKER_URL": "",
        "HUB_REDIS_URL": REDIS,
        "HUB_DEMO": "0",
        "HUB_LOG_LEVEL": "WARNING",
    }
    return {**os.environ, **own, **extra}


@contextmanager
def working(count: int, module: str = "django", **extra: str) -> Iterator[Path]:
    """Run ``count`` workers until the block ends; yield their home. They are at work when it begins."""
    with short_home() as home:
        command = [sys.executable, "-m", module, "worker"]
        env = environment(home, **extra)
        processes = [subprocess.Popen(command, env=env, start_new_session=True) for _ in range(count)]
        try:
            wait_until(lambda: WorkerBeat.objects.count() >= count, f"{count} workers")
            yield home
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
