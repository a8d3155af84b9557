"""One request and its answer over a checked connection that is kept open for the next (RFC 9112).

Answers are read by llhttp, Node's parser (the library httptools): a general client spends more on a
small JSON call than all else that a delivery costs. Framing, limits and the life of a connection are
decided here, addresses in ``addresses``; what may be sent at all, and what a failure means to an
admin, in ``outbound``.
"""

import select
import socket
import ssl
import time
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from hub.lib import addresses

CHUNK = 64 * 1024
#: The most that status line and headers may take, in bytes.
LARGEST_HEAD = 64 * 1024
#: Connections kept open per host: at least as many as a worker has threads.
IDLE_PER_HOST = 128
#: Hosts whose connections are kept.
HOSTS = 256
#: Seconds in which a connection that was just found open is not given up by the other end.
SHORT = 0.05


class Lost(Exception):
    """The connection ended before the answer was whole."""


class NotHTTP(Exception):
    """What came is no answer of HTTP, or cannot be unpacked; the message is the parser's."""


class HandshakeFailed(Exception):
    """No trusted TLS connection was made; the message is OpenSSL's."""


class TooLarge(Exception):
    """The answer, unpacked, is longer than the limit."""


#: All that an exchange may raise beside OSError and OutboundError.
FAILURES = (Lost, NotHTTP, HandshakeFailed, TooLarge)


@dataclass(frozen=True, slots=True)
class Host:
    """Whom a connection leads to. ``private``: an admin allowed it on a private network."""

    scheme: str
    name: str
    port: int
    private: bool


@dataclass(slots=True)
class Limits:
    """Seconds to connect and between two reads, the monotonic moment at which all ends, and bytes."""

    connect: float
    read: float
    deadline: float
    size: int

    def remaining(self) -> float:
        """Seconds for the next read or write; raise TimeoutError when the deadline has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The deadline of the request has passed.")
        return min(self.read, left)


class Answer:
    """What has come in so far; the parser calls the methods that begin with ``on_``."""

    __slots__ = (
        "_bodiless",
        "_limit",
        "_parser",
        "_unpack",
        "body",
        "done",
        "excess",
        "headers",
        "keeps",
        "status",
    )

    def __init__(self, limit: int, bodiless: bool):
        """``limit`` in bytes of the unpacked body; ``bodiless``: it ends after its headers (HEAD)."""
        self._limit = limit
        self._bodiless = bodiless
        self._unpack: Any = None
        self._parser = HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.done = False
        self.keeps = False
        #: More came than one answer: the connection cannot be trusted with another request.
        self.excess = False

    def on_message_begin(self) -> None:
        """Another message after the last is nobody's."""
        self.excess = self.done

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; several of one name are joined by commas."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """The answer proper begins, unless this one only says that it is under way (1xx)."""
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._unpack = _unpacker(self.headers.get("content-encoding", ""))
        if self._bodiless:
            self.done = True

    def on_body(self, chunk: bytes) -> None:
        """Keep a piece of the body, unpacked, one byte beyond the limit at most."""
        room = self._limit + 1 - len(self.body)
        if room > 0 and not self.excess:
            self.body += self._unpack(chunk, room) if self._unpack else chunk[:room]

    def on_message_complete(self) -> None:
        """The answer is whole; after a 1xx the real one follows."""
        if 100 <= self.status < 200:
            self.status, self.headers = 0, {}
        else:
            self.done = True
            self.keeps = bool(self._parser.should_keep_alive())

    def feed(self, data: bytes) -> None:
        """Read on; raise NotHTTP or, where it is too long, TooLarge."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.done = self.excess = True
        except HttpParserError as error:
            if not self.done:
                raise NotHTTP(str(error)) from None
            self.excess = True
        if self.done and self._unpack and self._unpack.cut_off and len(self.body) <= self._limit:
            raise NotHTTP("the packed body has no end")
        if len(self.body) > self._limit or _announced(self.headers) > self._limit:
            raise TooLarge

    def end(self) -> None:
        """The peer closed the connection: the end of an answer that says no length, else its loss."""
        framed = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "")
        if not self.status or framed:
            raise Lost("closed before the answer was whole")
        self.done = self.excess = True

    @property
    def keeps_open(self) -> bool:
        """Whether the connection may serve another request."""
        return self.keeps and not self.excess and not self._bodiless


class Connection:
    """An open socket to a host."""

    __slots__ = ("_poll", "_socket", "_timeout")

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._timeout = sock.gettimeout()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def alive(self) -> bool:
        """Whether nothing came while it was idle: an end, or an answer to no request."""
        return not self._poll.poll(0)

    def exchange(self, request: bytes, limits: Limits, *, bodiless: bool) -> Answer:
        """Send a request and return its answer; raise OSError, Lost, NotHTTP or TooLarge."""
        sock, answer = self._socket, Answer(limits.size, bodiless)
        self._wait_for(limits.remaining())
        # A refusal may have come before the body was read; what follows tells.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(request)
        head = 0
        while not answer.done:
            data = sock.recv(CHUNK)
            if not data:
                answer.end()
                break
            answer.feed(data)
            head = 0 if answer.body else head + len(data)
            if head > LARGEST_HEAD + CHUNK:
                raise NotHTTP("headers without end")
            if not answer.done:
                self._wait_for(limits.remaining())
        return answer

    def _wait_for(self, seconds: float) -> None:
        """Let reads and writes take so long; mostly they may already, and to say so is a system call."""
        if seconds != self._timeout:
            self._socket.settimeout(seconds)
            self._timeout = seconds

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Pool:
    """Connections that wait for their next request, the latest used first; safe for threads."""

    def __init__(self, context: ssl.SSLContext):
        self._context = context
        self._idle: dict[Host, deque[Connection]] = {}
        self._lock = Lock()

    def request(
        self,
        host: Host,
        request: bytes,
        limits: Limits,
        *,
        bodiless: bool = False,
        ready: Callable[[], None] | None = None,
    ) -> Answer:
        """Send ``request`` to ``host`` and return the answer.

        ``ready`` is called when a connection is open, just before the request leaves over it, and may wait.

        Raise OutboundError or HandshakeFailed where no connection can be made, else what
        ``Connection.exchange`` raises.
        """
        idle = self._idle.get(host)
        if idle is None:
            idle = self._new_host(host)
        connection = _latest(idle) or Connection(self._open(host, limits))
        kept = False
        try:
            if ready is not None and _waited(ready, limits) and not connection.alive():
                connection.close()
                connection = Connection(self._open(host, limits))
            answer = connection.exchange(request, limits, bodiless=bodiless)
            kept = answer.keeps_open and len(idle) < IDLE_PER_HOST
        finally:
            if kept:
                idle.append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            forgotten, self._idle = list(self._idle.values()), {}
        for idle in forgotten:
            _close_all(idle)

    def _new_host(self, host: Host) -> deque[Connection]:
        with self._lock:
            while len(self._idle) >= HOSTS:
                _close_all(self._idle.pop(next(iter(self._idle))))
            return self._idle.setdefault(host, deque())

    def _open(self, host: Host, limits: Limits) -> socket.socket:
        sock = addresses.connect(
            host.name, host.port, limits.connect, private=host.private, deadline=limits.deadline
        )
        if host.scheme != "https":
            return sock
        try:
            # The whole handshake ends at the timeout, however slowly its pieces come.
            sock.settimeout(limits.remaining())
            return self._context.wrap_socket(sock, server_hostname=host.name)
        except ssl.SSLError as error:
            sock.close()
            raise HandshakeFailed(str(error)) from None
        except BaseException:
            sock.close()
            raise


def _waited(ready: Callable[[], None], limits: Limits) -> bool:
    """Call ``ready``; return whether it took long. What it took is no part of what the exchange may take."""
    began = time.monotonic()
    ready()
    took = time.monotonic() - began
    limits.deadline += took
    return took > SHORT


def _latest(idle: deque[Connection]) -> Connection | None:
    while idle:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if connection.alive():
            return connection
        connection.close()
    return None


def _close_all(idle: deque[Connection]) -> None:
    while idle:
        idle.pop().close()


def _announced(headers: dict[str, str]) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdigit() else 0


def _unpacker(encoding: str) -> Any:
    """Return a function (bytes, most bytes wanted) that unpacks, or None where nothing is packed."""
    if encoding.strip().lower() in ("gzip", "x-gzip"):
        return _Unpacker(zlib.decompressobj(zlib.MAX_WBITS | 16))
    if encoding.strip().lower() == "deflate":
        return _Unpacker(zlib.decompressobj(), bare=True)
    return None


class _Unpacker:
    """Unpacks piece by piece; ``bare``: also what lacks zlib's frame, which some servers call deflate."""

    def __init__(self, stream: Any, bare: bool = False):
        self._stream = stream
        self._bare = bare
        self._begun = False

    @property
    def cut_off(self) -> bool:
        """Whether something came, and not its end."""
        return self._begun and not self._stream.eof

    def __call__(self, chunk: bytes, room: int) -> bytes:
        try:
            out: bytes = self._stream.decompress(chunk, room)
        except zlib.error as error:
            if self._begun or not self._bare:
                raise NotHTTP(f"cannot be unpacked: {error}") from None
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            self._begun = True
            return self(chunk, room)
        self._begun = True
        return out
