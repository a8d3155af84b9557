"""Services of the chaos suite's own, which it may kill: PostgreSQL, Redis, RabbitMQ, in folders of /tmp."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from tests.hub.running import alive, free_port

#: PostgreSQL refuses to run as root.
_AS_POSTGRES = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


def postgresql(program: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    found = str(versions[0]) if versions else shutil.which(program)
    assert found, f"{program} is not installed: the chaos suite starts a PostgreSQL of its own to kill it."
    return found


class Service:
    """A process in a session of its own that can be killed and started again on the same port."""

    def __init__(self, folder: Path, command: Callable[[int], list[str]], **options: object):
        self.port = free_port()
        self._command = command(self.port)
        self._options = {"cwd": folder, "start_new_session": True, **options}
        self._log = (folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start, and return when the port answers."""
        end = time.monotonic() + 40
        while time.monotonic() < end:
            self._process = subprocess.Popen(
                self._command, stdout=self._log, stderr=subprocess.STDOUT, **self._options
            )
            while self._process.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                    return
                time.sleep(0.05)
            time.sleep(0.2)  # what the killed one left behind is still going
        raise AssertionError(f"{self._command[0]} does not start.")

    def kill(self) -> None:
        """kill -9 of the process itself; its children find out by themselves."""
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def end(self) -> None:
        """Kill whatever is left, children included."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


class Database(Service):
    """A PostgreSQL of its own."""

    def __init__(self, folder: Path):
        self.data = folder / "data"
        super().__init__(folder, self._arguments, **_AS_POSTGRES)
        done = subprocess.run(
            [postgresql("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync"],
            cwd=folder,
            capture_output=True,
            text=True,
            **_AS_POSTGRES,
        )
        assert done.returncode == 0, done.stderr

    def _arguments(self, port: int) -> list[str]:
        own = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.data), "port": str(port)}
        return [
            *(postgresql("postgres"), "-D", str(self.data)),
            *(part for name, value in own.items() for part in ("-c", f"{name}={value}")),
        ]

    def url(self, port: int | None = None) -> str:
        """The URL of its database, directly or through a proxy's port."""
        return f"postgres://postgres@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        """Start, and return when it takes queries (after recovery, if it was killed)."""
        super().start()
        self.rows("SELECT 1")

    def rows(self, query: str) -> list[tuple]:
        """Return what a query finds; after a kill, as soon as PostgreSQL has recovered."""
        end = time.monotonic() + 40
        while True:
            try:
                with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
                    return connection.execute(query).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def kill_a_backend(self) -> None:
        """kill -9 of one session's process: PostgreSQL cuts all the others and recovers."""
        found = self.rows(
            "SELECT pid FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid != pg_backend_pid()"
        )
        if found:
            os.kill(found[0][0], signal.SIGKILL)


@contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """A folder with a short path that every user may enter; removed at the end."""
    path = Path(mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(0o777)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def own_database() -> Iterator[Database]:
    """A PostgreSQL that runs for as long as the block lasts."""
    with folder("pg-") as path:
        database = Database(path)
        try:
            database.start()
            yield database
        finally:
            left = _sessions(database)
            database.end()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@contextmanager
def own_redis() -> Iterator[Service]:
    """A Redis that keeps nothing on disk, for as long as the block lasts."""
    with folder("redis-") as path:
        arguments = ["--bind", "127.0.0.1", "--save", "", "--dir", str(path)]
        redis = Service(path, lambda port: ["redis-server", "--port", str(port), *arguments])
        try:
            redis.start()
            yield redis
        finally:
            redis.end()


class Broker(Service):
    """A RabbitMQ of its own, which keeps what it knows on disk."""

    def __init__(self, folder: Path):
        script = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        found = str(script) if script.exists() else shutil.which("rabbitmq-server")
        assert found, "rabbitmq-server is not installed: the chaos suite starts one of its own to kill it."
        super().__init__(folder, lambda port: [found], env=self._environment(folder))
        self._options["env"] |= {"RABBITMQ_NODE_PORT": str(self.port)}

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"{folder.name}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }

    def kill(self) -> None:
        """kill -9 of the node and of the shell script that it was started by."""
        os.killpg(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()


@contextmanager
def own_rabbitmq() -> Iterator[Service]:
    """A RabbitMQ that runs for as long as the block lasts."""
    with folder("rabbit-") as path:
        rabbitmq = Broker(path)
        try:
            rabbitmq.start()
            yield rabbitmq
        finally:
            rabbitmq.end()


def _sessions(database: Database) -> list[int]:
    """Processes of the cluster that made sessions of their own (PostgreSQL's backends do)."""
    found, wanted = [], {database.pid}
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    while new := {pid for pid, parent in parents.items() if parent in wanted} - wanted:
        wanted |= new
        found += new
    return [pid for pid in found if alive(pid)]
