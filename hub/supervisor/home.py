"""What must be right before anything starts: settings, the folder, the keys and the port."""

import base64
import contextlib
import errno
import fcntl
import os
import secrets
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
#: Bytes of the path of a Unix socket (Linux takes 107, macOS 103).
LONGEST_SOCKET = 103


class Problem(Exception):
    """The hub cannot start; the message is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where this hub lives and listens."""

    home: Path
    host: str
    port: int
    url: str
    sandbox_port: int
    embedded: bool


def read_options(environ: MutableMapping[str, str]) -> Options:
    """Read the options from ``environ`` (and ``.env``); leave there what the processes need to know.

    Raise Problem where a port is no port or is taken.
    """
    read_dotenv(ROOT / ".env", environ)
    home = Path(environ.get("HUB_HOME") or ROOT / "var").absolute()
    host = environ.get("HUB_HOST") or "127.0.0.1"
    port = read_port(environ.get("PORT") or environ.get("HUB_PORT") or "8000")
    check_port(host, port)
    sandbox_port = choose_sandbox_port(environ.get("HUB_SANDBOX_URL", ""), port)
    url = (environ.get("HUB_URL") or f"http://localhost:{port}").rstrip("/")
    environ.update(
        HUB_HOME=str(home),
        HUB_URL=url,
        HUB_SANDBOX_URL=environ.get("HUB_SANDBOX_URL") or f"http://127.0.0.1:{sandbox_port}",
        DJANGO_SETTINGS_MODULE=environ.get("DJANGO_SETTINGS_MODULE", "hub.settings"),
        PYTHONUNBUFFERED="1",
        # Many threads with a memory pool each would keep much of what they once used.
        MALLOC_ARENA_MAX=environ.get("MALLOC_ARENA_MAX", "2"),
        # Warnings are for those who change the code; the test suite shows them.
        PYTHONWARNINGS=environ.get("PYTHONWARNINGS", "ignore"),
    )
    return Options(home, host, port, url, sandbox_port, not environ.get("HUB_BROKER_URL"))


def read_dotenv(path: Path, environ: MutableMapping[str, str]) -> None:
    """Take ``NAME=value`` lines of a ``.env`` file, as the settings do; the environment wins."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            environ.setdefault(name.strip(), value.strip().strip("'\""))


def read_port(text: str) -> int:
    """Return the port that ``text`` names; raise Problem for anything else."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise Problem(f"PORT must be a number from 1 to 65535, not '{text}'. For example: make run PORT=9000")
    return int(text)


def check_port(host: str, port: int) -> None:
    """Raise Problem unless somebody could listen at ``host:port``."""
    try:
        probe(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"Port {port} is taken by another program (or another Interchange is running). "
                f"Stop it, or choose another port: make run PORT={port + 1 if port < 65535 else 9000}"
            ) from None
        if error.errno == errno.EACCES:
            raise Problem(
                f"This user may not open port {port}. Choose one above 1023: make run PORT=8000"
            ) from None
        raise Problem(
            f"The hub cannot listen at {host} port {port}: {error.strerror}. "
            "Set HUB_HOST to an address of this machine."
        ) from None


def probe(host: str, port: int) -> int:
    """Bind and let go again; return the port. Port 0 finds a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
        bound: int = listener.getsockname()[1]
    return bound


def choose_sandbox_port(url: str, port: int) -> int:
    """Return the sandbox's port: what HUB_SANDBOX_URL says, else near the hub's, else any free one."""
    if url:
        chosen = urlsplit(url).port or 80
        try:
            return probe("127.0.0.1", chosen)
        except OSError:
            raise Problem(
                f"Port {chosen} of the built-in sandbox is taken. Stop what listens there, "
                "or leave HUB_SANDBOX_URL unset, so that a free port is chosen."
            ) from None
    for candidate in (min(port + 9, 65535), 0):
        with contextlib.suppress(OSError):
            return probe("127.0.0.1", candidate)
    raise Problem("This machine has no free port on 127.0.0.1 for the built-in sandbox.")


def make_home(home: Path) -> int:
    """Make the hub's folder and lock it for this supervisor; return the lock's file descriptor.

    Raise Problem where the folder cannot be written or another supervisor holds it.
    """
    if len(os.fsencode(home / "wake-0000000.sock")) > LONGEST_SOCKET:
        raise Problem(f"The path {home} is too long for a socket in it. Set HUB_HOME to a shorter one.")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        lock = os.open(home / "supervisor.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise Problem(
            f"The hub's folder {home} cannot be written ({error.strerror}). "
            "Give this user the right to, or set HUB_HOME to another folder."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Problem(
            f"Another Interchange is running with the folder {home}. Stop it first, "
            "or set HUB_HOME to another folder to run a second hub."
        ) from None
    for left_behind in home.glob("wake*.sock"):
        left_behind.unlink(missing_ok=True)
    return lock


def make_keys(home: Path, environ: MutableMapping[str, str]) -> bool:
    """Make what keys are missing in a new hub; return whether the encryption key is new.

    Raise Problem where a database exists but the key that opens it does not.
    """
    if not environ.get("HUB_SECRET_KEY"):
        write_key(home / "secret.key", secrets.token_urlsafe(48))
    key_file = home / "encryption.key"
    if environ.get("HUB_ENCRYPTION_KEYS") or key_file.exists():
        return False
    database = home / "hub.sqlite3"
    # Whoever declares the old key lost gets a new one; whether the right one is declared, 'prepare' checks.
    if (
        not environ.get("HUB_LOST_KEYS")
        and not environ.get("HUB_DATABASE_URL")
        and database.exists()
        and database.stat().st_size
    ):
        raise missing_key(key_file, str(database))
    return write_key(key_file, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())


def missing_key(key_file: Path, database: str) -> Problem:
    """The sentence for a database whose key is gone."""
    return Problem(
        f"The encryption key is missing: {key_file} does not exist, but the database "
        f"{database} does, and its credentials open only with that key. Put the file back (or set "
        f"HUB_ENCRYPTION_KEYS). "
        f"To begin anew without the old data, move the database away. Only if the key is lost for good: "
        f"'manage.py rotate_keys --status' names it, and HUB_LOST_KEYS=<its name> starts without it "
        f"(docs/keys.md)."
    )


def write_key(path: Path, text: str) -> bool:
    """Write a key that only this user may read, unless there is one; return whether it was written."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return True
