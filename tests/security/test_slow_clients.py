"""Callers who dribble: they are cut off, and meanwhile everybody else is served. Over real sockets."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.factories import api_key
from tests.hub.running import wait_until
from tests.hub.web import Web

#: Each of them would hold a thread; the process has 16.
SLOW = 40
#: Seconds, as the web process under test has them; much shorter than in production.
BODY_SECONDS, HEADER_SECONDS = 4, 3
#: Seconds in which others are answered on a machine that has other things to do.
SOON = 20.0

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


class Dribbler:
    """Sends ``begin``, then ``drop`` twice a second, or nothing more, until it is cut off."""

    def __init__(self, port: int, begin: bytes, drop: bytes):
        self.answer = b""
        self.lasted = 0.0
        self._drop = drop
        self._line = socket.create_connection(("127.0.0.1", port))
        self._line.sendall(begin)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut_off(self, seconds: float) -> bool:
        """Whether the server ended the connection within ``seconds``."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        began = time.monotonic()
        self._line.settimeout(0.5)
        with contextlib.suppress(ConnectionError), self._line:
            while True:
                with contextlib.suppress(TimeoutError):
                    part = self._line.recv(4096)
                    self.answer += part
                    if not part:
                        break
                if self._drop:
                    self._line.sendall(self._drop)
        self.lasted = time.monotonic() - began


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[Web]:
    """A web process with 16 threads."""
    web = Web(
        HUB_BODY_SECONDS=str(BODY_SECONDS), GRANIAN_HTTP1_HEADER_READ_TIMEOUT=str(HEADER_SECONDS * 1000)
    )
    wait_until(web.answers, "the web process to answer")
    yield web
    web.kill()


def post(path: str, *headers: str) -> bytes:
    """The head of a call whose body is never finished."""
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers)
    return "\r\n".join((*lines, "", "")).encode() + b'{"type": '


def head_only() -> bytes:
    return b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: "


@pytest.mark.parametrize("drop", [b" ", b""], ids=["dribbling", "silent"])
@pytest.mark.parametrize("length", ["Content-Length: 900000", "Transfer-Encoding: chunked"])
def test_a_body_that_never_ends_stops_nobody_and_is_cut_off(web: Web, drop: bytes, length: str) -> None:
    key = api_key()
    chunked = length.startswith("Transfer")
    heads = (
        post("/api/auth/login", length),
        post("/api/events", length, f"Authorization: Bearer {key}"),
        post("/admin/login/", length).replace(b"application/json", b"application/x-www-form-urlencoded"),
    )
    if chunked:
        heads = tuple(each.replace(b'{"type": ', b'9\r\n{"type": \r\n') for each in heads)
        drop = drop and b"1\r\n \r\n"
    slow = [Dribbler(web.port, heads[number % 3], drop) for number in range(SLOW)]

    served = []
    end = time.monotonic() + BODY_SECONDS + 2
    while time.monotonic() < end:
        began = time.monotonic()
        status, _ = web.connect().post("/api/events", b'{"type": "a.b"}', {"Authorization": f"Bearer {key}"})
        assert status == 202
        served.append(time.monotonic() - began)
        time.sleep(0.2)

    assert max(served) < SOON
    assert all(each.cut_off(SOON) for each in slow)
    assert any(b" 408 " in each.answer and b"too slowly" in each.answer for each in slow)


def test_headers_that_never_end_stop_nobody_and_are_cut_off(web: Web) -> None:
    slow = [Dribbler(web.port, head_only(), b"a") for _ in range(SLOW)]

    began = time.monotonic()
    assert web.answers()
    assert time.monotonic() - began < SOON
    assert all(each.cut_off(HEADER_SECONDS + SOON) for each in slow)
    assert min(each.lasted for each in slow) > HEADER_SECONDS / 2


def test_a_body_that_keeps_its_pace_is_taken_however_long_it_takes(web: Web) -> None:
    key = api_key()
    body = b'{"type": "a.b", "data": "' + b"a" * 400_000 + b'"}'
    head = post("/api/events", f"Content-Length: {len(body)}", f"Authorization: Bearer {key}")
    with socket.create_connection(("127.0.0.1", web.port), timeout=SOON) as line:
        line.sendall(head.removesuffix(b'{"type": '))
        began = time.monotonic()
        for place in range(0, len(body), 20_000):
            line.sendall(body[place : place + 20_000])
            time.sleep(0.4)
        assert time.monotonic() - began > BODY_SECONDS
        assert line.recv(100).split()[1] == b"202"
