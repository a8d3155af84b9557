"""A receiver on loopback that costs next to nothing: ``python -m bench.sink``; prints its port.

One thread over epoll. ``/`` answers at once, ``/slow`` after 50 ms, ``/late`` after 10 s, ``/never`` not at
all. ``GET /_count`` tells how many messages with an event came (a connection test has none), ``GET
/_arrivals`` when each event's came first (seconds of the machine's monotonic clock, which all processes
share), ``GET /_repeated`` which idempotency keys (``webhook-id``) came more than once and how often; ``POST
/_reset`` forgets all that.
"""

import heapq
import json
import select
import socket
import sys
import time
from collections import Counter

from bench.payload import number_in

#: Seconds after which an address answers; None: never. The others answer at once.
AFTER = {b"/slow": 0.05, b"/late": 10.0, b"/never": None}
READ = 65536
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One connection and what has come in over it."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.buffer = b""


class Sink:
    """Answers until it is killed."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.peers: dict[int, Peer] = {}
        self.epoll = select.epoll()
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)
        self.late: list[tuple[float, int, Peer]] = []
        self.forget()

    def forget(self) -> None:
        """Start counting anew."""
        self.count = 0
        self.arrivals: dict[int, float] = {}
        self.keys: Counter[str] = Counter()

    def run(self) -> None:
        """Serve."""
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else 10.0
            for number, _ in self.epoll.poll(wait):
                if number == self.listener.fileno():
                    self._accept()
                else:
                    self._read(self.peers[number])
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                self._send(heapq.heappop(self.late)[2], OK)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.peers[connection.fileno()] = Peer(connection)
            self.epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, peer: Peer) -> None:
        try:
            received = peer.connection.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._drop(peer)
            return
        peer.buffer += received
        while (end := peer.buffer.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(peer.buffer, end)
            if len(peer.buffer) < whole:
                return
            request, peer.buffer = peer.buffer[:whole], peer.buffer[whole:]
            self._take(peer, request, end)

    def _take(self, peer: Peer, request: bytes, end: int) -> None:
        path = request[: request.find(b"\r")].split(b" ")[1]
        if path.startswith(b"/_"):
            self._control(peer, path)
            return
        now = time.monotonic()
        if (number := number_in(request[end:])) >= 0:
            self._note(number, request[:end], now)
        after = AFTER.get(path, 0.0)
        if after:
            heapq.heappush(self.late, (now + after, id(peer), peer))
        elif after is not None:
            self._send(peer, OK)

    def _note(self, number: int, head: bytes, now: float) -> None:
        self.count += 1
        self.arrivals.setdefault(number, now)
        if key := _header(head, b"webhook-id"):
            self.keys[key] += 1

    def _control(self, peer: Peer, path: bytes) -> None:
        if path == b"/_reset":
            self.forget()
        told = {
            b"/_arrivals": list(self.arrivals.items()),
            b"/_repeated": {key: times for key, times in self.keys.items() if times > 1},
        }.get(path, self.count)
        body = json.dumps(told).encode()
        peer.connection.setblocking(True)
        self._send(peer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        peer.connection.setblocking(False)

    def _send(self, peer: Peer, answer: bytes) -> None:
        try:
            peer.connection.sendall(answer)
        except OSError:
            self._drop(peer)

    def _drop(self, peer: Peer) -> None:
        if self.peers.pop(peer.connection.fileno(), None):
            self.epoll.unregister(peer.connection.fileno())
            peer.connection.close()


def _length(request: bytes, end: int) -> int:
    value = _header(request[:end], b"content-length")
    return int(value) if value else 0


def _header(head: bytes, name: bytes) -> str:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return ""
    start += len(name) + 3
    end = head.find(b"\r", start)
    return head[start : end if end >= 0 else len(head)].strip().decode("latin-1")


if __name__ == "__main__":
    sink = Sink()
    sys.stdout.write(f"{sink.port}\n")
    sys.stdout.flush()
    sink.run()
