"""Where the hub under measurement lives: a database and a folder of its own, and nothing else's settings."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

POSTGRES = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return the environment of a hub's process; ``extra`` wins."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DJANGO_"))}
    # A dozen interpreters start: where none may keep what it compiled, they take longer than the deliveries.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    own = {
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_HOME": str(home),
        "HUB_DATABASE_URL": f"sqlite:///{home / 'hub.sqlite3'}",
        "HUB_BROKER_URL": "",
        "HUB_REDIS_URL": "",
        "HUB_SECRET_KEY": "only-for-the-benchmark",
        "HUB_ENCRYPTION_KEYS": "YmVuY2gtb25seS1iZW5jaC1vbmx5LWJlbmNoLW9ubHk",
        "HUB_DEMO": "0",
        "HUB_LOG_LEVEL": "WARNING",
        # The limit of calls per key is not what is measured.
        "HUB_API_RATE_PER_MINUTE": "100000000",
        # As the supervisor sets them.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
    }
    return {**kept, **own, **extra}


@contextlib.contextmanager
def temporary_database() -> Iterator[str]:
    """Make a database in PostgreSQL, yield its URL, and drop it."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
