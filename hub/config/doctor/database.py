"""What the database says about itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from hub.config.doctor.finding import Finding, advice, ok, problem

OLDEST_POSTGRESQL = 14
#: Share of the connections in use from which the next deploy may find none.
CROWDED = 0.8
NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs")
SMALL_SKEW, GREAT_SKEW = timedelta(seconds=1), timedelta(seconds=5)


def kind() -> Iterator[Finding]:
    """Which database it is, and whether it is set so that what is accepted stays."""
    if connection.vendor == "sqlite":
        yield from _sqlite()
    elif connection.vendor == "postgresql":
        yield from _postgresql()
    else:
        yield problem("database", f"{connection.display_name} is not supported.", "Use SQLite or PostgreSQL.")


def migrations() -> Iterator[Finding]:
    """Whether tables and code fit together."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    ours = {app for app, _ in executor.loader.disk_migrations}
    newer = sorted(f"{app}.{name}" for app, name in unknown if app in ours)
    if missing:
        names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in missing[:5])
        yield problem(
            "migrations", f"{len(missing)} are not applied ({names} …).", "Run 'python manage.py migrate'."
        )
    elif newer:
        yield advice(
            "migrations",
            f"The database knows {', '.join(newer[:5])}, which this code does not: it is older.",
            "During a deploy that is as it should be; else bring this process to the newest version.",
        )
    else:
        yield ok("migrations", "All applied.")


def clock() -> Iterator[Finding]:
    """Whether this machine and the database agree about the time."""
    if connection.vendor != "postgresql":
        return
    before = timezone.now()
    theirs: datetime = _ask("SELECT clock_timestamp()")
    middle = before + (timezone.now() - before) / 2
    skew = abs(theirs - middle)
    said = f"This machine and the database differ by {skew.total_seconds():.2f} s."
    if skew > GREAT_SKEW:
        yield problem("clock", said, "Let NTP set both clocks: leases and due times rely on them.")
    elif skew > SMALL_SKEW:
        yield advice("clock", said, "Let NTP set both clocks.")
    else:
        yield ok("clock", said)


def _sqlite() -> Iterator[Finding]:
    path = Path(str(connection.settings_dict["NAME"]))
    if settings.HUB.broker_url:
        yield problem(
            "database",
            "A broker is set, but the database is SQLite, which takes one machine and few writers.",
            "Set HUB_DATABASE_URL to a PostgreSQL, or unset HUB_BROKER_URL.",
        )
    mode = str(_ask("PRAGMA journal_mode"))
    if mode != "wal":
        yield problem(
            "database",
            f"SQLite's journal is '{mode}', not 'wal': reading and writing block each other.",
            "The file system must allow shared memory (no network file system); then start the hub anew.",
        )
    where = filesystem_of(path, Path("/proc/mounts"))
    if where.startswith(NETWORK):
        yield problem(
            "database",
            f"{path} lies on a network file system ({where}), whose locks SQLite cannot trust.",
            "Set HUB_HOME to a local disk, or use PostgreSQL.",
        )
    yield ok("database", f"SQLite {_ask('SELECT sqlite_version()')}, journal {mode}, at {path}.")


def _postgresql() -> Iterator[Finding]:
    version = int(_ask("SHOW server_version_num")) // 10000
    if version < OLDEST_POSTGRESQL:
        yield problem(
            "database",
            f"PostgreSQL {version} is too old.",
            f"Use {OLDEST_POSTGRESQL} or newer.",
        )
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if _ask(f"SHOW {name}") == "off":
            yield problem(
                "database",
                f"PostgreSQL's {name} is off: an event answered with 202 may be lost in a crash.",
                f"Turn {name} on.",
            )
    most = int(_ask("SHOW max_connections"))
    used = int(_ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    said = f"{used} of {most} connections are in use"
    if used > CROWDED * most:
        yield problem(
            "database",
            f"{said}; a deploy, when old and new processes run side by side, may find none.",
            "A web process takes one per thread, a worker two. Raise max_connections, or use PgBouncer.",
        )
    yield ok("database", f"PostgreSQL {version}; {said}.")


def _ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def filesystem_of(path: Path, mounts: Path) -> str:
    """Return the type of the file system that ``path`` lies on, or "" where that cannot be told."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    over = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in lines if len(fields) > 2}
    for folder in [path.resolve(), *path.resolve().parents]:
        if folder in over:
            return over[folder]
    return ""
