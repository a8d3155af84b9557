"""One process of the hub: started, watched, started again, stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from hub.supervisor.home import ROOT
from hub.supervisor.lifeline import VARIABLE

#: Seconds before a process that died is started again: the first, doubling up to the second.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
#: Seconds a process must have run for its next death to count as a first one.
STEADY = 30.0
COLOURS = {"web": 36, "worker": 32, "scheduler": 35, "sandbox": 33, "hub": 1}


class Printer:
    """Writes whole lines, each with the name of the process that wrote it."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._colour = stream.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """Write one line; a terminal that is gone is no reason to stop."""
        label = f"{name:<9} |"
        if self._colour:
            label = f"\033[{COLOURS.get(name, 37)}m{label}\033[0m"
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{label} {text}\n")
            self._stream.flush()


class Child:
    """A named process in a process group of its own."""

    def __init__(self, name: str, module: str, arguments: Sequence[str]):
        """``module`` is run with ``arguments``, as ``python -m`` would."""
        self.name = name
        self._command = [sys.executable, "-m", "hub.supervisor.lifeline", module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE
        self._due = 0.0
        self.deaths = 0

    def start(self, printer: Printer, lifeline: int) -> None:
        """Start the process; its lines go to ``printer``, its life hangs on ``lifeline``."""
        self._process = subprocess.Popen(  # nosec B603
            self._command,
            cwd=ROOT,
            env={**os.environ, VARIABLE: str(lifeline)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lifeline,),
        )
        self._started, self._due = time.monotonic(), 0.0
        threading.Thread(
            target=_forward, args=(self._process, self.name, printer), name=self.name, daemon=True
        ).start()

    def look_after(self, printer: Printer, lifeline: int) -> None:
        """Start the process again, after a pause that grows, if it died."""
        if self._due:
            if time.monotonic() >= self._due:
                self.start(printer, lifeline)
            return
        if self._process is None or self._process.poll() is None:
            return
        self.kill()  # whatever its group left behind
        if time.monotonic() - self._started > STEADY:
            self._pause, self.deaths = FIRST_PAUSE, 0
        self.deaths += 1
        printer.line(
            "hub",
            f"The {self.name} process ended unexpectedly ({_how(self._process.returncode)}); "
            f"it is started again in {self._pause:g} s.",
        )
        self._due = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def ask_to_stop(self) -> None:
        """Send SIGTERM: finish or give back what is under way."""
        self._due = 0.0
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stopped_within(self, seconds: float) -> bool:
        """Wait for the end; return whether it came."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the process and all it started, at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _forward(process: subprocess.Popen[bytes], name: str, printer: Printer) -> None:
    for raw in process.stdout or ():
        printer.line(name, raw.decode("utf-8", "replace").rstrip())


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
