"""Receivers that cut, dribble, babble, never stop or never answer, all at once, beside one in good order."""

import gzip
import itertools
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from hub.connections.models import Integration
from hub.delivery.dispatch import Dispatcher
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.delivery.ratelimit import RateLimiter
from tests.factories import IntegrationFactory, QueueItemFactory
from tests.servers import raw_server
from tests.services.chaos.proxy import reset
from tests.services.chaos.report import report
from tests.services.sink import listening

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

#: Seconds between two bytes; in all, a request may take five more (the time to connect).
TIMEOUT = 1.0
LIMIT = TIMEOUT + 5
OK = b"HTTP/1.1 200 OK\r\n"
GOOD = 200

Talk = Callable[[socket.socket], None]


def heard(peer: socket.socket) -> None:
    """Read a request to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += peer.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += peer.recv(65536)


def says(*parts: bytes, pause: float = 0.0) -> Talk:
    """Answer with these parts, then hang up."""

    def talk(peer: socket.socket) -> None:
        heard(peer)
        for part in parts:
            peer.sendall(part)
            time.sleep(pause)

    return talk


def says_for_ever(first: bytes, part: bytes, pause: float = 0.0) -> Talk:
    """Answer, and go on until the hub hangs up."""

    def talk(peer: socket.socket) -> None:
        heard(peer)
        peer.sendall(first)
        for _ in itertools.count():
            peer.sendall(part)
            time.sleep(pause)

    return talk


def cuts(*parts: bytes) -> Talk:
    """Reset the connection after these parts."""

    def talk(peer: socket.socket) -> None:
        heard(peer)
        for part in parts:
            peer.sendall(part)
        reset(peer)

    return talk


def is_silent(peer: socket.socket) -> None:
    """Take everything, say nothing."""
    while peer.recv(65536):
        pass


def redirect(status: int) -> Talk:
    return says(
        b"HTTP/1.1 %d Elsewhere\r\nLocation: http://169.254.169.254/secret\r\nContent-Length: 0\r\n\r\n"
        % status
    )


BAD: dict[str, Talk] = {
    "resets before it reads": reset,
    "resets before it answers": cuts(),
    "resets within the headers": cuts(OK, b"Content-Le"),
    "resets within the body": cuts(OK, b"Content-Length: 100\r\n\r\n", b"half"),
    "hangs up within the body": says(OK, b"Content-Length: 100\r\n\r\n", b"half"),
    "hangs up without a word": says(),
    "dribbles headers": says_for_ever(OK, b"X: y\r\n", pause=0.2),
    "dribbles a body": says_for_ever(OK + b"Content-Length: 1000000\r\n\r\n", b"x", pause=0.2),
    "says 100 for ever": says_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
    "says 101": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
    "says 103 and hangs up": says(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "redirects (301)": redirect(301),
    "redirects (307)": redirect(307),
    "says 304": says(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "says 999": says(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "babbles": says(b"\x00\xff\xfe garbage \x00\r\n\r\n" * 20),
    "babbles in a status": says(b"HTTP/1.1 OK fine\r\n\r\n"),
    "babbles in headers": says(OK, b"\x00\xff: \x01\r\nno colon here\r\nContent-Length: many\r\n\r\n"),
    "a hundred thousand headers": says(OK, b"X-Y: z\r\n" * 100_000, b"\r\n"),
    "babbles in chunks": says(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nnonsense\r\n"),
    "NUL in a refusal": says(b"HTTP/1.1 500 No\0pe\r\nContent-Length: 5\r\nX-A: \0\r\n\r\na\0b\xff\xfe"),
    "a body without end": says_for_ever(OK + b"\r\n", b"x" * 65536),
    "chunks without end": says_for_ever(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
    "promises 10 GiB": says_for_ever(OK + b"Content-Length: 10737418240\r\n\r\n", b"x" * 65536),
    "a bomb of gzip": says(
        OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", gzip.compress(bytes(64 * 1024 * 1024))
    ),
    "no gzip at all": says(OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody"),
    "never answers": is_silent,
}


def integration_at(name: str, port: int) -> Integration:
    return IntegrationFactory(
        name=name,
        settings={"url": f"http://127.0.0.1:{port}/"},
        allowed_hosts=[f"127.0.0.1:{port}"],
        timeout=TIMEOUT,
        quick_tries=1,
        rate_count=1000,
    )


def test_bad_receivers_are_held_with_a_reason_and_hold_up_nobody() -> None:
    with ExitStack() as stack:
        bad = [integration_at(name, stack.enter_context(raw_server(talk))) for name, talk in BAD.items()]
        # A port where nobody accepts: the queue of connections is full.
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        waiting = [stack.enter_context(socket.socket()) for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        bad.append(integration_at("never accepts", full.getsockname()[1]))
        sink = stack.enter_context(listening())
        good = integration_at("good", int(sink.host.rpartition(":")[2]))
        for integration in bad:
            QueueItemFactory(integration=integration)
        QueueItemFactory.create_batch(GOOD, integration=good)
        worker = Dispatcher("w1", threads=32, claim_size=100, lease=30.0, limiter=RateLimiter())
        began = time.monotonic()
        try:
            worker.run_until_idle()
        finally:
            worker.shut_down(deadline=1)
        took = time.monotonic() - began
        items = {item.integration.name: item for item in QueueItem.objects.select_related("integration")}
        problems = [problem(name, item) for name, item in items.items() if name != "good"]
        assert not any(problems), "\n".join(filter(None, problems))
        assert len(sink.keys) == GOOD
        assert set(sink.keys.values()) == {1}
        assert QueueItem.objects.filter(integration=good, state=State.COMPLETED).count() == GOOD
        good_took = max(sink.first.values()) - began
    assert not QueueItem.objects.filter(state=State.PROCESSING).exists()
    assert took < 3 * LIMIT, "none is waited for without end"
    report(
        f"{len(bad)} bad receivers at once",
        f"each held with a reason within {took:.1f} s",
        f"{GOOD} to a good one beside them delivered within {good_took:.1f} s, 0 repeated",
    )


def problem(name: str, item: QueueItem) -> str:
    """Return what is wrong with an item that should be held, with a sentence that the log tells too."""
    told = list(IntegrationLog.objects.filter(item_id=item.pk).values_list("outcome", "message"))
    right = item.state in (State.PENDING, State.FAILED) and item.last_error.endswith(".")
    right = right and len(told) == 1 and "own code" not in item.last_error
    return "" if right else f"{name}: {item.state}, {told}"
