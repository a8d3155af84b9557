"""A real hub under its supervisor, in a folder and on ports of its own, for tests that break it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "hub.supervisor"]
#: Seconds a start may take on a busy machine.
PATIENCE = 100.0


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The environment of a hub that has nothing to do with the test suite's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DJANGO_"))}
    return {**kept, "HUB_HOME": str(home), "PORT": str(free_port()), **extra}


def start_expecting_refusal(home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the supervisor where it must not start."""
    return subprocess.run(
        COMMAND, cwd=ROOT, env=environment(home, **extra), capture_output=True, text=True, timeout=PATIENCE
    )


def wait_until(happened: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as ``happened()`` is true; fail naming ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"Waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Hub:
    """A running hub. ``lines`` is what it printed so far."""

    def __init__(self, home: Path, **extra: str):
        self.home = home
        self.env = environment(home, **extra)
        self.url = f"http://127.0.0.1:{self.env['PORT']}"
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            COMMAND, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """All lines so far."""
        return "\n".join(self.lines)

    def wait_until_up(self) -> None:
        """Wait for the line with the URL."""
        wait_until(lambda: self.says("is running at") or self.process.poll() is not None, "the URL")
        assert self.process.poll() is None, self.output

    def says(self, text: str) -> bool:
        """Whether a line holds ``text``."""
        return any(text in line for line in self.lines)

    def answers(self) -> bool:
        """Whether /healthz answers."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def pids(self, word: str = "") -> list[int]:
        """Process ids of the supervisor's processes (and theirs) whose command line holds ``word``."""
        parents: dict[int, int] = {}
        commands: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                pid = int(folder.name)
                parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[pid] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        found, wanted = [], {self.process.pid}
        while new := {pid for pid, parent in parents.items() if parent in wanted} - wanted:
            wanted |= new
            found += sorted(new)
        return [pid for pid in found if re.search(word, commands.get(pid, ""))]

    def kill(self, word: str) -> int:
        """kill -9 the first process whose command line holds ``word``; return its id."""
        pid = self.pids(word)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(5)
        return code

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip())


@contextlib.contextmanager
def short_home() -> Iterator[Path]:
    """A folder with a short path, for the sake of sockets; removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="hub-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def running_hub(home: Path, **extra: str) -> Iterator[Hub]:
    """Start a hub, wait for its URL, and leave no process behind."""
    hub = Hub(home, **extra)
    try:
        hub.wait_until_up()
        yield hub
    finally:
        left = hub.pids()
        hub.process.kill()
        hub.process.wait(10)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
