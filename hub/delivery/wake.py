"""Tells a worker that something is due. Losing a wake-up costs time, never an item: the worker
looks by itself every second, and the sweeper finds what is left.

Embedded: one datagram to every worker's socket in HUB_HOME. With a broker: one Celery message
without content, at most one per ``QUIET`` seconds and process, the last one never swallowed.

Deliveries and the jobs beside them ring apart: looking for syncs and files at every event that comes
in cost a worker twice as much as delivering it.
"""

import atexit
import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from django.conf import settings

from hub.celery import app

logger = logging.getLogger(__name__)

QUIET = 0.02
#: Seconds that a process which ends waits for its last message to leave.
FAREWELL = 1.0
DELIVERIES, JOBS = b"d", b"j"
TASKS = {DELIVERIES: "hub.delivery.tasks.wake", JOBS: "hub.delivery.tasks.wake_jobs"}


def wake() -> None:
    """Ring for deliveries; never raises, never waits. Call it after commit."""
    _ring(DELIVERIES)


def wake_jobs() -> None:
    """The same for what workers do beside delivering: syncs, files, received webhooks, bulk runs."""
    _ring(JOBS)


def _ring(what: bytes) -> None:
    if settings.HUB.embedded:
        ring_sockets(settings.HUB.wake_socket, what)
    else:
        _messenger.ring(what)


def ring_sockets(first: Path, what: bytes = DELIVERIES) -> None:
    """Send one byte to every worker that listens beside ``first``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in _sockets(first):
            # A dead worker's socket refuses, a busy worker's is full: neither needs the byte.
            with contextlib.suppress(OSError):
                sender.sendto(what, path)


def _sockets(first: Path) -> list[str]:
    # Looked for at every commit that brings something: pathlib's glob takes ten times as long.
    folder = os.fspath(first.parent)
    with contextlib.suppress(FileNotFoundError):
        return [
            os.path.join(folder, name)
            for name in os.listdir(folder)
            if name.startswith(first.stem) and name.endswith(first.suffix)
        ]
    return []


class Listener:
    """Receives the datagrams of ``wake`` in a worker process."""

    def __init__(self, path: Path):
        """Listen at ``path``; a socket file that a dead worker left there is replaced."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(1)

    def run(self, rings: Mapping[bytes, Callable[[], None]], stop: threading.Event) -> None:
        """Call the function of ``rings`` that each wake-up asks for, until ``stop`` is set."""
        while not stop.is_set():
            try:
                what = self._socket.recv(16)
            except TimeoutError:
                continue
            if ring := rings.get(what):
                ring()

    def close(self) -> None:
        """Stop listening and remove the socket file."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


class _Messenger:
    """Sends messages from a thread of its own: whoever accepts an event never waits for the broker.

    At once, then at most every ``QUIET`` seconds, and once more at the end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = threading.Event()
        self._what: set[bytes] = set()
        self._idle = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, what: bytes) -> None:
        """Have one message sent; returns at once."""
        self._idle.clear()
        self._what.add(what)
        self._asked.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
                    self._thread.start()

    def finish(self) -> None:
        """Give what was rung last a moment to leave; the process ends."""
        if self._thread is not None:
            self._idle.wait(FAREWELL)

    def _run(self) -> None:
        while self._asked.wait():
            self._asked.clear()
            for what in TASKS:
                if what in self._what:
                    # Before it is sent: who rings meanwhile is heard once more.
                    self._what.discard(what)
                    _send_message(TASKS[what])
            if not self._asked.is_set():
                self._idle.set()
            time.sleep(QUIET)


def _send_message(task: str) -> None:
    try:
        # Never Celery's current_app: in a thread that is whichever application was made first.
        app.send_task(task, retry=False, ignore_result=True)
    except Exception as error:  # whatever broker library is in use: the sweeper makes up for it
        logger.warning("The broker took no wake-up (%s); the sweeper will find the item.", error)


_messenger = _Messenger()
atexit.register(lambda: _messenger.finish())


def _renew_after_fork() -> None:
    """Give a forked process a messenger of its own: threads do not come along."""
    global _messenger
    _messenger = _Messenger()


os.register_at_fork(after_in_child=_renew_after_fork)
