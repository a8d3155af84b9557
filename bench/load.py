"""The load generator: ``python -m bench.load '{"port": …}'``; prints one JSON object.

A closed loop over keep-alive connections: each sends its next request as soon as it has its answer.
One thread over epoll, so that the two cores are left to what is measured.
"""

import base64
import hashlib
import hmac
import itertools
import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from bench.figures import latency, tidy
from bench.payload import TYPE, order

READ = 65536
BATCH = 100
#: Seconds that the last answers get.
DRAIN = 5.0


def requests(kind: str, options: dict[str, Any]) -> Iterator[bytes]:
    """Yield requests without end: ``event``, ``batch`` (of 100) or ``webhook`` (signed)."""
    if kind == "webhook":
        key = base64.b64decode(options["secret"].removeprefix("whsec_"))
        for number in itertools.count():
            body = orjson.dumps({"type": "order.paid", "data": order(number)})
            yield _request(options["path"], body, _signature(key, f"msg_{number}", body))
    authorization = f"Authorization: Bearer {options['key']}\r\n"
    for number in itertools.count():
        one = {"type": f"{TYPE}.parked", "subject": f"order-{number}", "data": order(number)}
        body = orjson.dumps({"events": [one] * BATCH} if kind == "batch" else one)
        yield _request(options["path"], body, authorization)


def _request(path: str, body: bytes, headers: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}\r\n"
    )
    return head.encode() + body


def _signature(key: bytes, identifier: str, body: bytes) -> str:
    stamp = str(int(time.time()))
    signed = hmac.new(key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return (
        f"webhook-id: {identifier}\r\nwebhook-timestamp: {stamp}\r\n"
        f"webhook-signature: v1,{base64.b64encode(signed).decode()}\r\n"
    )


class Load:
    """Sends for a while, and keeps how long each answer took."""

    def __init__(self, port: int, connections: int, source: Iterator[bytes]):
        self.source = source
        self.sending = True
        self.epoll = select.epoll()
        self.sockets = {}
        self.buffers: dict[int, bytes] = {}
        self.sent: dict[int, float] = {}
        self.waited: list[float] = []
        self.statuses: Counter[int] = Counter()
        for _ in range(connections):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets[connection.fileno()] = connection
            self.epoll.register(connection.fileno(), select.EPOLLIN)

    def run(self, warm: float, seconds: float) -> dict[str, Any]:
        """Send for ``warm`` seconds that do not count and ``seconds`` that do."""
        for number in self.sockets:
            self._send(number)
        self._loop(time.monotonic() + warm)
        self.waited.clear()
        self.statuses.clear()
        started = time.monotonic()
        self._loop(started + seconds)
        took = time.monotonic() - started
        told = {
            "per_s": tidy(len(self.waited) / took, 0),
            **latency(self.waited),
            "statuses": dict(self.statuses),
        }
        self._drain()
        return told

    def _drain(self) -> None:
        """Wait for what is under way: the server shall be idle when the next part begins."""
        self.sending = False
        end = time.monotonic() + DRAIN
        while self.sent and time.monotonic() < end:
            self._loop(time.monotonic())

    def _loop(self, end: float) -> None:
        while True:
            for number, _ in self.epoll.poll(0.1):
                self._read(number)
            if time.monotonic() >= end:
                return

    def _send(self, number: int) -> None:
        request = next(self.source)
        self.buffers[number] = b""
        self.sent[number] = time.monotonic()
        self.sockets[number].sendall(request)

    def _read(self, number: int) -> None:
        received = self.sockets[number].recv(READ)
        if not received:
            raise ConnectionError("The server closed a connection that was to be kept.")
        answer = self.buffers[number] = self.buffers[number] + received
        end = answer.find(b"\r\n\r\n")
        if end < 0 or not _complete(answer, end):
            return
        self.waited.append(time.monotonic() - self.sent.pop(number))
        self.statuses[int(answer[9:12])] += 1
        if self.sending:
            self._send(number)


def _complete(answer: bytes, end: int) -> bool:
    head = answer[:end].lower()
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        return answer.endswith(b"0\r\n\r\n") if b"chunked" in head else True
    return len(answer) >= end + 4 + int(head[start + 17 :].split(b"\r", 1)[0])


def main() -> None:
    """Read the options, run, print."""
    options = json.loads(sys.argv[1])
    load = Load(options["port"], options["connections"], requests(options["kind"], options))
    sys.stdout.write(json.dumps(load.run(options.get("warm", 0.5), options["seconds"])) + "\n")


if __name__ == "__main__":
    main()
