"""Callers who send a body so slowly that they only mean to hold a thread of the web process.

granian cuts off whoever dribbles headers, but a thread that waits for a body waits as long as the caller
likes: as many callers as there are threads would stop the hub for everybody. So every body has a pace to
keep, and one thread of the process looks after those that are on their way. Where a server is not granian,
nothing is watched: gunicorn, uWSGI and proxies have limits of their own for it.
"""

import logging
import math
import os
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

logger = logging.getLogger(__name__)

#: Bytes a second that a body comes with at least, once its first seconds are over.
PACE = 16 * 1024
#: Seconds after which a body that does not keep the pace is slow, which matters while too many are.
EARLY = 2.0
#: Seconds between two looks.
INTERVAL = 0.25
#: Seconds in which an answer is on its way.
SAID = 0.1
CHUNK = 64 * 1024
#: Whether the connections of this process can be found and asked.
LOOKABLE = hasattr(socket, "TCP_INFO") and os.path.isdir("/proc/self/fd")
#: Where struct tcp_info (linux/tcp.h) holds the milliseconds since data was sent.
_LAST_DATA_SENT = 44
ANSWER = (
    b'{"type":"about:blank","title":"Request Timeout","status":408,'
    b'"detail":"The body came too slowly, so nothing of it was kept. Send it again."}'
)
HEADERS = [
    ("content-type", "application/problem+json"),
    ("content-length", str(len(ANSWER))),
    ("connection", "close"),
]

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class SlowBody(OSError):
    """The caller sent its body too slowly and was cut off."""


class Body:
    """A body on its way: ``wsgi.input``, with the time and the bytes kept beside it."""

    __slots__ = ("_stream", "address", "protocol", "received", "since", "waited")

    def __init__(self, stream: Any, protocol: Any, address: str):
        """``protocol``: granian's handle by which the call can be answered from another thread."""
        self._stream, self.protocol, self.address = stream, protocol, address
        #: Seconds that were waited for what was received, and when the present wait began.
        self.waited, self.since, self.received = 0.0, 0.0, 0

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes, all that comes unless given; raise SlowBody."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self._some(CHUNK), b""))
        parts = []
        while size > 0 and (part := self._some(min(size, CHUNK))):
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self, *size: int) -> bytes:
        """Return up to the next line break; raise SlowBody."""
        return self._kept(self._stream.readline, *size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """Return all lines; raise SlowBody."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def late(self, now: float, grace: float) -> float:
        """Return by how many seconds it lags behind the pace, the first ``grace`` seconds aside."""
        return self.waited + (now - self.since) - self.received / PACE - grace

    def _some(self, size: int) -> bytes:
        return self._kept(self._stream.read, size)

    def _kept(self, read: Callable[..., bytes], *size: int) -> bytes:
        self.since = time.monotonic()
        _watch.begin(self)
        try:
            part = read(*size)
        finally:
            cut = not _watch.end(self)
        if cut:
            raise SlowBody("The body came too slowly.")
        self.waited += time.monotonic() - self.since
        self.received += len(part)
        return part


class _Watch:
    """Who is waited for, and the thread that ends the waiting."""

    def __init__(self) -> None:
        self.grace = 20.0
        self.most = 12
        self._waiting: dict[int, Body] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, body: Body) -> None:
        """A thread waits for bytes of ``body``."""
        self._waiting[id(body)] = body
        if self._thread is None:
            self._start()

    def end(self, body: Body) -> bool:
        """End the wait; return False where somebody else ended it, so that a call is answered by one."""
        return self._waiting.pop(id(body), None) is not None

    def look(self) -> None:
        """Cut off who is too slow; while too many are slow, those of them that lag furthest behind."""
        now = time.monotonic()
        slow = [body for body in list(self._waiting.values()) if body.late(now, EARLY) > 0]
        slow.sort(key=lambda body: body.late(now, EARLY), reverse=True)
        excess = len(slow) - self.most
        self._cut(
            [body for place, body in enumerate(slow) if place < excess or body.late(now, self.grace) > 0]
        )

    def _cut(self, bodies: list[Body]) -> None:
        bodies = [body for body in bodies if self.end(body)]
        if not bodies:
            return
        # The calls are answered here, so their connections are those that were silent and now are not. Only
        # their end tells granian, and so the threads that wait, that nothing more comes.
        now = time.monotonic()
        silent = {line for body in bodies for line in _connections(body.address, at_least=now - body.since)}
        for body in bodies:
            body.protocol.response_bytes(408, HEADERS, ANSWER)
        time.sleep(SAID)
        spoken = {line for body in bodies for line in _connections(body.address, at_most=SAID * 4)}
        for line in silent & spoken:
            _end_connection(line)
        for body in bodies:
            logger.warning("A call from %s was cut off: its body came too slowly.", body.address)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="slow-bodies", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.look()
            except Exception:
                logger.exception("Looking after slow callers failed once")


_watch = _Watch()


def watched(application: Application, *, grace: float, most: int) -> Application:
    """Return ``application`` with its callers' bodies watched.

    ``grace``: seconds before a body's pace counts; ``most``: how many may be slow at once before the
    slowest go early, which should be less than the process has threads.
    """
    _watch.grace, _watch.most = grace, most
    said = False

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        nonlocal said
        if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            protocol = _protocol()
            if protocol is not None:
                address = environ.get("REMOTE_ADDR", "")
                environ["wsgi.input"] = Body(environ["wsgi.input"], protocol, address)
            elif LOOKABLE and not said and environ.get("SERVER_SOFTWARE") == "Granian":
                said = True
                logger.warning("Slow callers are not watched: this version of granian is not known here.")
        return application(environ, start_response)

    return run


def _protocol() -> Any:
    """Return granian's handle of the call in hand: WSGI has no name for it, its caller's frame has.

    None where there is none, or where connections cannot be looked at (Linux tells, others do not).
    """
    if not LOOKABLE:
        return None
    return sys._getframe(2).f_locals.get("proto")


def _connections(address: str, at_least: float = 0.0, at_most: float = math.inf) -> set[int]:
    """Return this process's connections to ``address`` on which it said nothing for so many seconds."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as line:
                peer = str(line.getpeername()[0])
                told = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except (OSError, IndexError):  # gone meanwhile, listening, or not TCP
            continue
        (silent_ms,) = struct.unpack_from("=I", told, _LAST_DATA_SENT)
        if peer.removeprefix("::ffff:") == address.removeprefix("::ffff:") and (
            at_least - SAID <= silent_ms / 1000 <= at_most
        ):
            found.add(int(name))
    return found


def _end_connection(number: int) -> None:
    try:
        with socket.socket(fileno=os.dup(number)) as line:
            line.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A slow caller was gone already.")


def most_slow() -> int:
    """Return how many callers may be slow at once: three in four of the threads that the supervisor gives."""
    return max(1, int(os.environ.get("HUB_WEB_THREADS", "16")) * 3 // 4)
