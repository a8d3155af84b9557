"""Callers who dribble: they are cut off, and meanwhile everybody else is served. Over real sockets.

Nothing here is measured: where the hub must not wait for a caller it would wait for ten minutes, and a test
waits as long as a busy machine takes. Who is slow, and when, has tests/hub/lib/test_slow_bodies.py.
"""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.factories import api_key
from tests.hub.running import PATIENCE, wait_until
from tests.hub.web import Web

#: Each of them would hold a thread; the process has 16, of which 12 may wait for slow callers.
SLOW, ALLOWED = 40, 12
#: Seconds until headers are cut off, and bodies in the one and in the other web process under test.
HEADER_SECONDS, SHORT, LONG = 3, 1, 600
LENGTHS = ("Content-Length: 900000", "Transfer-Encoding: chunked")
DROPS = (b" ", b"")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


class Dribbler:
    """Sends ``begin``, then ``drop`` twice a second, or nothing more, until it is cut off."""

    def __init__(self, port: int, begin: bytes, drop: bytes):
        self.answer = b""
        self.lasted = 0.0
        self._drop = drop
        self._left = False
        self._began = time.monotonic()
        self._line = socket.create_connection(("127.0.0.1", port))
        self._line.sendall(begin)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def cut_off(self) -> bool:
        """Whether the server ended the connection."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """End it from this side."""
        self._left = True
        self._thread.join()

    def _run(self) -> None:
        self._line.settimeout(0.5)
        with contextlib.suppress(ConnectionError), self._line:
            while not self._left:
                with contextlib.suppress(TimeoutError):
                    part = self._line.recv(4096)
                    self.answer += part
                    if not part:
                        break
                if self._drop:
                    self._line.sendall(self._drop)
        self.lasted = time.monotonic() - self._began


def running(body_seconds: int) -> Iterator[Web]:
    web = Web(
        HUB_BODY_SECONDS=str(body_seconds), GRANIAN_HTTP1_HEADER_READ_TIMEOUT=str(HEADER_SECONDS * 1000)
    )
    try:
        wait_until(web.answers, "the web process to answer")
        yield web
    finally:
        web.kill()


@pytest.fixture(scope="module")
def strict(django_db_setup: None) -> Iterator[Web]:
    """A web process that waits a second for a body."""
    yield from running(SHORT)


@pytest.fixture(scope="module")
def patient(django_db_setup: None) -> Iterator[Web]:
    """A web process that would wait longer for a body than any test lasts."""
    yield from running(LONG)


def post(path: str, *headers: str) -> bytes:
    """The head of a call whose body is never finished."""
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers)
    return "\r\n".join((*lines, "", "")).encode() + b'{"type": '


def head_only() -> bytes:
    return b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: "


def dribblers(web: Web, key: str, length: str, drop: bytes) -> list[Dribbler]:
    """Callers whose bodies never end, at an address of each kind."""
    heads = [
        post("/api/auth/login", length),
        post("/api/events", length, f"Authorization: Bearer {key}"),
        post("/admin/login/", length).replace(b"application/json", b"application/x-www-form-urlencoded"),
    ]
    if length.startswith("Transfer"):
        heads = [each.replace(b'{"type": ', b'9\r\n{"type": \r\n') for each in heads]
        drop = drop and b"1\r\n \r\n"
    return [Dribbler(web.port, heads[number % 3], drop) for number in range(SLOW // 4)]


def test_bodies_that_never_end_stop_nobody(patient: Web) -> None:
    key = api_key()
    slow = [
        one
        for length, drop in itertools.product(LENGTHS, DROPS)
        for one in dribblers(patient, key, length, drop)
    ]

    for _ in range(20):
        line = patient.connect()
        assert line.post("/api/events", b'{"type": "a.b"}', {"Authorization": f"Bearer {key}"})[0] == 202

    # Those that others need the threads of are cut off, though none has had its ten minutes.
    wait_until(lambda: sum(each.cut_off for each in slow) >= SLOW - ALLOWED, "the slowest to be cut off")
    for each in slow:
        each.leave()


@pytest.mark.parametrize("drop", DROPS, ids=["dribbling", "silent"])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_body_that_never_ends_is_cut_off(strict: Web, drop: bytes, length: str) -> None:
    slow = dribblers(strict, api_key(), length, drop)
    wait_until(lambda: all(each.cut_off for each in slow), "all to be cut off")
    assert any(b" 408 " in each.answer and b"too slowly" in each.answer for each in slow)


def test_headers_that_never_end_stop_nobody_and_are_cut_off(patient: Web) -> None:
    slow = [Dribbler(patient.port, head_only(), b"a") for _ in range(SLOW)]

    assert patient.answers()
    wait_until(lambda: all(each.cut_off for each in slow), "all to be cut off")
    assert min(each.lasted for each in slow) > HEADER_SECONDS / 2


def test_a_body_that_keeps_its_pace_is_taken_however_long_it_takes(patient: Web) -> None:
    key = api_key()
    body = b'{"type": "a.b", "data": "' + b"a" * 400_000 + b'"}'
    head = post("/api/events", f"Content-Length: {len(body)}", f"Authorization: Bearer {key}")
    with socket.create_connection(("127.0.0.1", patient.port), timeout=PATIENCE) as line:
        line.sendall(head.removesuffix(b'{"type": '))
        for place in range(0, len(body), 40_000):
            line.sendall(body[place : place + 40_000])
            time.sleep(0.3)
        assert line.recv(100).split()[1] == b"202"
