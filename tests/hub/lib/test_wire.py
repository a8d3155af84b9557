"""What peers may answer, and how slowly, over real sockets on loopback: read, bounded, cut off."""

import gzip
import socket
import threading
import time
import zlib
from typing import Any

import pytest

from hub.lib import outbound
from hub.lib.outbound import Door
from tests.hub.lib.doors import allowed
from tests.servers import raw_server, reply, serving

DRIBBLES = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}
OK = b"HTTP/1.1 200 OK\r\n"
FRAMED = OK + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
EARLY = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_over_the_cap_is_cut_off(fresh: Door, announced: bool) -> None:
    served: list[int] = []

    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        length = b"Content-Length: 1000000000\r\n" if announced else b""
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"Connection: close\r\n\r\n")
        for number in range(2000):
            peer.sendall(b"x" * 65536)
            served.append(number)

    with raw_server(talk) as port, pytest.raises(outbound.ResponseTooLarge, match="100,000 bytes"):
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed(max_response_bytes=100_000))
    assert len(served) < 1000


def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_off(fresh: Door) -> None:
    bomb = gzip.compress(b"\x00" * 50_000_000)
    with serving(reply(bomb, Content_Encoding="gzip")) as server, pytest.raises(outbound.ResponseTooLarge):
        fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed(max_response_bytes=1_000_000))


def test_a_packed_answer_is_unpacked(fresh: Door) -> None:
    with serving(reply(gzip.compress(b"hello"), Content_Encoding="gzip")) as server:
        assert fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed()).body == b"hello"


@pytest.mark.parametrize("where", DRIBBLES)
def test_a_peer_that_sends_a_byte_now_and_then_is_cut_off(fresh: Door, where: str) -> None:
    start, drop = DRIBBLES[where]
    ended = threading.Event()

    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(start)
        while not ended.wait(0.02):
            peer.sendall(drop)

    policy = allowed(read_timeout=10, total_timeout=0.3)
    with raw_server(talk) as port, pytest.raises(outbound.TimedOut, match="in all"):
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, policy)
    ended.set()


def test_a_peer_that_does_not_read_is_cut_off(fresh: Door) -> None:
    ended = threading.Event()
    policy = allowed(read_timeout=10, total_timeout=0.3)
    with raw_server(lambda peer: ended.wait(20) and None) as port, pytest.raises(outbound.TimedOut):
        fresh.send("POST", f"http://127.0.0.1:{port}/", {}, b"x" * 50_000_000, policy)
    ended.set()


def test_silence_ends_at_the_read_timeout(fresh: Door) -> None:
    ended = threading.Event()
    policy = allowed(read_timeout=0.2, total_timeout=20)
    silent = raw_server(lambda peer: ended.wait(20) and None)
    with silent as port, pytest.raises(outbound.TimedOut, match=r"within 0\.2 seconds") as late:
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, policy)
    ended.set()
    assert late.value.retryable


def test_after_a_cut_off_the_next_request_has_a_connection_of_its_own(fresh: Door) -> None:
    slow = [True]

    def answer(handler: Any, body: bytes) -> None:
        if slow.pop() if slow else False:
            time.sleep(0.4)
        reply(b"mine")(handler, body)

    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with pytest.raises(outbound.TimedOut):
            fresh.send("GET", url, {}, None, allowed(read_timeout=0.1))
        assert fresh.send("GET", url, {}, None, allowed()).body == b"mine"
    assert len({request[4] for request in server.requests}) == 2


def talking(*pieces: bytes) -> Any:
    """A peer that reads the request and answers with these pieces, then closes."""

    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        for piece in pieces:
            peer.sendall(piece)
            time.sleep(0.01)

    return talk


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((FRAMED[:20], FRAMED[20:38], FRAMED[38:]), b"hello"),
        ((CHUNKED[:48], CHUNKED[48:57], CHUNKED[57:]), b"hello"),
        ((b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo"), b"hello"),
        ((EARLY, FRAMED), b"hello"),
        ((EARLY + FRAMED,), b"hello"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
    ],
    ids=["length", "chunks", "until the end", "after 1xx", "with 1xx", "no content"],
)
def test_every_way_to_frame_an_answer_is_read(fresh: Door, pieces: tuple[bytes, ...], body: bytes) -> None:
    with raw_server(talking(*pieces)) as port:
        assert fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed()).body == body


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
        (),
    ],
    ids=["length", "chunks", "headers", "nothing"],
)
def test_an_answer_that_ends_early_is_none(fresh: Door, pieces: tuple[bytes, ...]) -> None:
    with raw_server(talking(*pieces)) as port, pytest.raises(outbound.ConnectFailed, match="was lost"):
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed())


def test_headers_without_end_are_cut_off(fresh: Door) -> None:
    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")

    with raw_server(talk) as port, pytest.raises(outbound.ConnectFailed, match="is not HTTP"):
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed())


def test_a_second_answer_in_one_is_not_taken_for_that_to_the_next_request(fresh: Door) -> None:
    ours, theirs = (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body for body in (b"ours", b"evil"))
    with raw_server(talking(ours + theirs)) as port:
        for _ in range(2):
            assert fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed()).body == b"ours"


def test_a_connection_that_was_closed_while_idle_is_not_used(fresh: Door) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours"
    with raw_server(talking(answer)) as port:
        for _ in range(3):
            assert fresh.send("POST", f"http://127.0.0.1:{port}/", {}, b"{}", allowed()).body == b"ours"
            time.sleep(0.05)


def test_what_may_not_leave_yet_waits_at_the_open_connection(fresh: Door) -> None:
    opened = []

    def talk(peer: socket.socket) -> None:
        opened.append(time.monotonic())
        talking(OK + b"Content-Length: 4\r\n\r\nours")(peer)

    with raw_server(talk) as port:
        url = f"http://127.0.0.1:{port}/"
        asked = []

        def ready() -> None:
            # No time may lie between: the connection is there.
            while not opened:
                time.sleep(0.001)
            asked.append(time.monotonic())

        assert fresh.send("GET", url, {}, None, allowed(), ready).body == b"ours"
        assert len(opened) == len(asked) == 1


def test_to_wait_takes_nothing_from_the_time_of_the_exchange(fresh: Door) -> None:
    with serving(reply(b"ours")) as server:
        url = f"http://127.0.0.1:{server.port}/"
        answer = fresh.send("GET", url, {}, None, allowed(total_timeout=1.0), lambda: time.sleep(1.2))
    assert answer.body == b"ours"


def test_a_connection_that_was_closed_while_its_request_waited_is_opened_anew(fresh: Door) -> None:
    opened = []

    def talk(peer: socket.socket) -> None:
        opened.append(peer)
        if len(opened) > 1:
            talking(FRAMED)(peer)

    with raw_server(talk) as port:
        url = f"http://127.0.0.1:{port}/"
        answer = fresh.send("GET", url, {}, None, allowed(), lambda: time.sleep(1.0))
    assert (answer.body, len(opened)) == (b"hello", 2)


def test_what_is_stopped_at_the_open_connection_was_not_sent(fresh: Door) -> None:
    class Held(Exception):
        pass

    def hold() -> None:
        raise Held

    with serving(reply(b"ours")) as server:
        with pytest.raises(Held):
            fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed(), hold)
        assert server.requests == []


def test_a_refusal_before_the_whole_body_was_read_is_the_answer(fresh: Door) -> None:
    def talk(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1 << 20):
            pass

    with raw_server(talk) as port:
        assert fresh.send("POST", f"http://127.0.0.1:{port}/", {}, b"x" * 5_000_000, allowed()).status == 413


@pytest.mark.parametrize("how", ["zlib", "raw"])
def test_both_kinds_of_deflate_are_unpacked(fresh: Door, how: str) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS if how == "zlib" else -zlib.MAX_WBITS)
    packed = packer.compress(b"hello" * 100) + packer.flush()
    with serving(reply(packed, Content_Encoding="deflate")) as server:
        assert (
            fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed()).body == b"hello" * 100
        )


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", b"body", gzip.compress(b"hello" * 100, mtime=0)[:-9]],
    ids=["not packed", "short", "cut off"],
)
def test_what_cannot_be_unpacked_is_a_sentence(fresh: Door, body: bytes) -> None:
    packed = serving(reply(body, Content_Encoding="gzip"))
    with packed as server, pytest.raises(outbound.ConnectFailed, match="broken"):
        fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed())
