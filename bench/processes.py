"""Starts the processes of a run, watches what they cost, and leaves none of them behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


class TookTooLong(Exception):
    """Something that should have come did not come in time."""


class Crew:
    """The processes of a run; leaving the ``with`` block ends them all and removes their folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self._running: list[Running] = []

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in reversed(self._running):
            running.stop(patience=2)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, *arguments: str, env: Mapping[str, str], talks: bool = False) -> "Running":
        """Start ``python -m <arguments>``; one that ``talks`` has pipes, the others write to a file."""
        running = Running(name, arguments, env, self.folder / f"{name}.log", talks)
        self._running.append(running)
        return running


class Running:
    """One process, leader of a process group of its own."""

    def __init__(self, name: str, arguments: Iterable[str], env: Mapping[str, str], log: Path, talks: bool):
        self.name, self.log = name, log
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else written,
                stderr=written,
                start_new_session=True,
            )

    @property
    def stdin(self) -> IO[bytes]:
        """Where it listens."""
        return _pipe(self._process.stdin)

    @property
    def stdout(self) -> IO[bytes]:
        """Where it answers."""
        return _pipe(self._process.stdout)

    @property
    def pids(self) -> list[int]:
        """The process and all its descendants."""
        return descendants(self._process.pid)

    def check(self) -> None:
        """Raise RuntimeError, with the end of what it wrote, if it ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self, patience: float = 8.0) -> None:
        """Ask it to end, then make it."""
        left = self.pids
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        for pid in left:
            # Only what still belongs to this session: the number may have been given away again.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) in left:
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("This process was not started to talk.")
    return pipe


def until(true: Callable[[], Any], what: str, seconds: float, every: float = 0.05) -> None:
    """Wait for ``true()``; raise TookTooLong naming ``what`` was waited for."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TookTooLong(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(every)


def descendants(pid: int) -> list[int]:
    """Return ``pid`` and every living process that it or its children started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(entry)[1]), []).append(int(entry.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return [each for each in found if Path(f"/proc/{each}").exists()]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that ``pids`` have used."""
    used = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = _stat(Path(f"/proc/{pid}/stat"))
            used += (int(fields[11]) + int(fields[12])) / TICKS
    return used


def memory_mib(pids: Iterable[int]) -> float:
    """Return the memory of ``pids`` in MiB: proportional set size, where shared pages count once."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if entry.startswith("Pss:"):
                    kib += int(entry.split()[1])
    return round(kib / 1024, 1)


def threads(pid: int) -> int:
    """Return how many threads ``pid`` has; 0 where it is gone."""
    with contextlib.suppress(OSError):
        return int(_stat(Path(f"/proc/{pid}/stat"))[17])
    return 0


def _stat(path: Path) -> list[str]:
    """Return the fields of a ``stat`` file from the state on."""
    return path.read_text().rpartition(")")[2].split()
