"""A TCP proxy between the hub and a service: it passes, cuts, refuses or stalls, when it is told to."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Closing with this sends a reset, as a service does that was killed.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a port of its own. ``refuse`` and ``stall`` last until ``let_through``."""

    def __init__(self, port: int, host: str = "127.0.0.1"):
        """Pass connections on to ``host:port``."""
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._words = self._last = b""
        self.cuts = 0
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def cut(self) -> int:
        """Reset every connection; new ones pass. Return how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            reset(*pair)
        return len(pairs)

    def cut_when(self, words: bytes, last: bytes = b"") -> None:
        """Reset the next connection whose client sends ``words``, before they arrive.

        With ``last``: once the client sends that too. It arrives, only the answer does not.
        """
        with self._lock:
            self._words, self._last = words, last

    def refuse(self) -> None:
        """Cut, and reset what comes anew, as if nobody listened."""
        self._refusing = True
        self.cut()

    def stall(self) -> None:
        """Keep connections open and accept new ones, but pass not a byte any more."""
        self._flowing.clear()

    def let_through(self) -> None:
        """Pass again. What stalled is cut: no network keeps bytes that long."""
        self._refusing = False
        if not self._flowing.is_set():
            self.cut()
            self._flowing.set()

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._refusing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                reset(client)
                continue
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self._flowing.wait()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            reset(client)
            return
        server.settimeout(None)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.append((client, server))
        threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
        threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        last = b""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if outward and not last and (found := self._take_order(data)) is not None:
                    if not found:
                        reset(source, sink)
                        return
                    last = found
                sink.sendall(data)
                if last and last in data:
                    reset(source)
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._pairs = [pair for pair in self._pairs if source not in pair]
        if outward:
            source.close()
            sink.close()

    def _take_order(self, data: bytes) -> bytes | None:
        """Return what shall be the last to pass, b"" for nothing at all; None: not this connection."""
        with self._lock:
            if not self._words or self._words not in data:
                return None
            self._words = b""
            self.cuts += 1
            return self._last


def reset(*sockets: socket.socket) -> None:
    """Close as a process does that was killed: the peer sees a reset."""
    for one in sockets:
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # Wakes the thread that reads from it; closing alone would leave it waiting.
            one.shutdown(socket.SHUT_RD)
        with contextlib.suppress(OSError):
            one.close()


@contextmanager
def through_proxy(port: int) -> Iterator[Proxy]:
    """A proxy to a local port for as long as the block lasts."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
