"""Processes that write to one SQLite database take turns, also where one of them dies or hangs."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.lib import together
from hub.lib.together import one_process

HOLDS = """
import sys, time
from hub.lib.together import one_process
with one_process(sys.argv[1]):
    print("in", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def holding(database: Path, seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process, which is in for so long."""
    command = [sys.executable, "-c", HOLDS, str(database), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"in\n"
        try:
            yield other
        finally:
            other.kill()


def test_one_waits_until_the_other_is_through(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite3"
    with holding(database, 0.5) as other, one_process(database):
        other.wait(5)
        assert other.returncode == 0, "it left by itself before this one came in"
    with holding(database, 0.0) as other:
        other.wait(5)


def test_one_that_is_killed_holds_up_nobody(tmp_path: Path) -> None:
    database = tmp_path / "hub.sqlite3"
    with holding(database, 60) as other:
        other.kill()
        other.wait(5)
        began = time.monotonic()
        with one_process(database):
            assert time.monotonic() - began < together.PATIENCE


def test_one_that_hangs_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.1)
    database = tmp_path / "hub.sqlite3"
    with holding(database, 60) as other:
        other.send_signal(signal.SIGSTOP)
        with one_process(database):
            assert other.poll() is None


def test_without_a_place_for_its_file_it_goes_on(tmp_path: Path) -> None:
    with one_process(tmp_path / "no such folder" / "hub.sqlite3"):
        pass
