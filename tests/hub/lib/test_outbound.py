"""The outbound door, over real sockets on loopback."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hub import __version__
from hub.lib import outbound
from hub.lib.outbound import Door, Policy
from tests.hub.lib.doors import allowed, resolving
from tests.servers import raw_server, reply, self_signed, serving


def test_sends_the_request_as_given_and_returns_the_answer(fresh: Door) -> None:
    with serving(reply(b'{"id":1}', 201, X_Answer="yes")) as server:
        url = f"http://127.0.0.1:{server.port}/a%20b?x=1&y=%2F"
        answer = fresh.send("POST", url, {"X-Mine": "ä", "Accept": "*/*"}, b"\x00body", allowed())
    method, path, headers, body, _ = server.requests[0]
    assert (method, path, body) == ("POST", "/a%20b?x=1&y=%2F", b"\x00body")
    assert headers["user-agent"] == f"Interchange/{__version__}"
    assert headers["x-mine"] == "ä"
    assert headers["content-length"] == "5"
    assert (answer.status, answer.json(), answer.headers["x-answer"]) == (201, {"id": 1}, "yes")


def test_keeps_a_connection_open_for_the_next_request(fresh: Door) -> None:
    with serving(reply()) as server:
        for _ in range(3):
            fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed())
    assert len({request[4] for request in server.requests}) == 1


def test_serves_many_threads_at_once(fresh: Door) -> None:
    together = threading.Barrier(32, timeout=20)

    def answer(handler: Any, body: bytes) -> None:
        together.wait()
        reply(body)(handler, body)

    answers: list[bytes] = []
    with serving(answer) as server:

        def ask(number: int) -> None:
            url = f"http://127.0.0.1:{server.port}/"
            answers.append(fresh.send("POST", url, {}, str(number).encode(), allowed()).body)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(int(body) for body in answers) == list(range(32))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[fec0::1]",
        "[2001:db8::1]",
    ],
)
def test_refuses_every_address_that_is_not_on_the_internet(fresh: Door, host: str) -> None:
    with pytest.raises(outbound.AddressRefused) as refused:
        fresh.send("GET", f"http://{host}:8009/latest/meta-data", {}, None, Policy())
    assert not refused.value.retryable
    assert refused.value.hint


def test_an_allowed_host_is_reached_by_name_and_port_only(fresh: Door) -> None:
    with serving(reply()) as server, serving(reply()) as other:
        policy = allowed(f"127.0.0.1:{server.port}")
        assert fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, policy).status == 200
        with pytest.raises(outbound.AddressRefused):
            fresh.send("GET", f"http://127.0.0.1:{other.port}/", {}, None, policy)
    assert not other.requests


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "224.0.0.1"]
)
def test_not_even_an_allowed_name_leads_to_the_metadata_service(
    fresh: Door, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, inside_example=[address])
    with pytest.raises(outbound.AddressRefused):
        fresh.send("GET", "http://inside.example/", {}, None, allowed("inside.example"))


def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind(
    fresh: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, rebind_example=["93.184.216.34", "127.0.0.1"])
    tried: list[str] = []

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(outbound.ConnectFailed):
        fresh.send("GET", "http://rebind.example/", {}, None, Policy())
    assert tried == ["93.184.216.34"]
    assert asked == ["rebind.example"]
    with pytest.raises(outbound.AddressRefused):
        fresh.send("GET", "http://rebind.example/", {}, None, Policy())
    assert tried == ["93.184.216.34"]


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    fresh: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, mixed_example=["93.184.216.34 10.0.0.1"])
    with pytest.raises(outbound.AddressRefused):
        fresh.send("GET", "https://mixed.example/", {}, None, Policy())


def test_the_next_address_is_tried_where_one_does_not_answer(
    fresh: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply()) as server:
        resolving(monkeypatch, two_example=["127.0.0.9 127.0.0.1"])
        answer = fresh.send("GET", f"http://two.example:{server.port}/", {}, None, allowed("two.example"))
    assert answer.status == 200


def test_an_open_connection_does_not_serve_a_policy_that_forbids_it(fresh: Door) -> None:
    with serving(reply()) as server:
        url = f"http://127.0.0.1:{server.port}/"
        assert fresh.send("GET", url, {}, None, allowed()).status == 200
        with pytest.raises(outbound.AddressRefused):
            fresh.send("GET", url, {}, None, Policy())
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_the_answer_and_is_not_followed(fresh: Door, status: int) -> None:
    with (
        serving(reply()) as elsewhere,
        serving(reply(b"moved", status, Location=f"http://127.0.0.1:{elsewhere.port}/x")) as server,
    ):
        headers = {"Authorization": "Bearer planted"}
        answer = fresh.send("GET", f"http://127.0.0.1:{server.port}/", headers, None, allowed())
    assert (answer.status, answer.body) == (status, b"moved")
    assert not elsewhere.requests


def test_a_huge_redirect_is_cut_off_too(fresh: Door) -> None:
    huge = reply(b"x" * 5000, 302, Location="http://127.0.0.1:1/")
    with serving(huge) as server, pytest.raises(outbound.ResponseTooLarge):
        fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed(max_response_bytes=4999))


def test_cookies_of_one_answer_are_not_sent_with_the_next_request(fresh: Door) -> None:
    with serving(reply(b"", 200, Set_Cookie="session=planted; Path=/")) as server:
        for _ in range(2):
            fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed())
    assert "cookie" not in server.requests[1][2]


def test_the_environment_adds_neither_a_proxy_nor_a_password(
    fresh: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password planted")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(reply()) as server:
        assert fresh.send("GET", f"http://127.0.0.1:{server.port}/", {}, None, allowed()).status == 200
    assert "authorization" not in server.requests[0][2]


def test_nobody_listening_is_a_sentence(fresh: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(outbound.ConnectFailed, match="refused") as failed:
        fresh.send("GET", f"http://127.0.0.1:{port}/", {}, None, allowed())
    assert failed.value.retryable


def test_an_unknown_name_is_a_sentence(fresh: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(outbound.ConnectFailed, match=r"nowhere\.example was not found"):
        fresh.send("GET", "https://nowhere.example/", {}, None, Policy())


def test_a_lost_connection_is_a_sentence_without_the_path(fresh: Door) -> None:
    rude = raw_server(lambda peer: peer.recv(10) and None)
    with rude as port, pytest.raises(outbound.ConnectFailed, match="was lost") as lost:
        fresh.send("GET", f"http://127.0.0.1:{port}/services/planted-secret", {}, None, allowed())
    assert "planted" not in str(lost.value)
    assert lost.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "http://unix:/var/run/docker.sock:/info",
        "http:///var/run/docker.sock",
        "http://%2Fvar%2Frun%2Fdocker.sock/info",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "//example.com/",
        "example.com",
        "",
        "http://",
        "http://:80/",
        "https://user:planted@example.com/",
        "https://example.com:99999/",
        "https://example.com:0/",
        "http://exa mple.com/",
        "http://[::1/",
        "http://example.com\r\nHost: evil/",
        "https://" + "a" * 300 + ".com/",
    ],
)
def test_a_url_that_is_none_of_the_web_is_refused(fresh: Door, url: str) -> None:
    with pytest.raises((outbound.BadRequest, outbound.ConnectFailed)) as refused:
        fresh.send("GET", url, {}, None, Policy())
    assert "planted" not in str(refused.value)


def test_line_breaks_in_a_path_do_not_reach_the_wire(fresh: Door) -> None:
    with serving(reply()) as server:
        url = f"http://127.0.0.1:{server.port}/a\r\nX-Injected: 1\r\n\r\nGET /b HTTP/1.1"
        with suppress(outbound.BadRequest):
            fresh.send("GET", url, {}, None, allowed())
    assert all("x-injected" not in headers for _, _, headers, _, _ in server.requests)
    assert len(server.requests) <= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("X-A", "\x00"),
        ("X-A", "€"),
        ("X-A", 1),
        ("Host", "evil.example"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_headers_cannot_smuggle(fresh: Door, name: str, value: Any) -> None:
    with serving(reply()) as server, pytest.raises(outbound.BadRequest) as refused:
        fresh.send("POST", f"http://127.0.0.1:{server.port}/", {name: value}, b"x", allowed())
    assert not server.requests
    assert not refused.value.retryable


def test_a_wrong_content_length_is_put_right(fresh: Door) -> None:
    with serving(reply()) as server:
        headers = {"content-length": "99"}
        fresh.send("POST", f"http://127.0.0.1:{server.port}/", headers, b"abc", allowed())
    assert server.requests[0][2]["content-length"] == "3"


@pytest.mark.parametrize("method", ["GET /x HTTP/1.1\r\nX: y", "get", "", "CONNECTCONNECTCONNECT"])
def test_a_method_that_is_none_is_refused(fresh: Door, method: str) -> None:
    with pytest.raises(outbound.BadRequest):
        fresh.send(method, "https://example.com/", {}, None, Policy())


def test_certificates_are_verified(fresh: Door, tmp_path: Path) -> None:
    _, context = self_signed(tmp_path, "localhost")
    with (
        serving(reply(), context) as server,
        pytest.raises(outbound.TLSFailed, match="self-signed") as refused,
    ):
        fresh.send("GET", f"https://localhost:{server.port}/", {}, None, allowed("localhost"))
    assert "localhost" in str(refused.value)
    assert not server.requests


def test_the_certificate_must_name_the_host_though_the_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = self_signed(tmp_path, "api.example")
    asked: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: asked.append(name)
    resolving(monkeypatch, api_example=["127.0.0.1"], other_example=["127.0.0.1"])
    door = Door(cafile=str(authority))
    policy = allowed("api.example", "other.example")
    with serving(reply(), context) as server:
        assert door.send("GET", f"https://api.example:{server.port}/", {}, None, policy).status == 200
        with pytest.raises(outbound.TLSFailed):
            door.send("GET", f"https://other.example:{server.port}/", {}, None, policy)
    assert asked == ["api.example", "other.example"]
    assert server.requests[0][2]["host"] == f"api.example:{server.port}"


def test_a_dribbling_tls_peer_is_cut_off_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, context = self_signed(tmp_path, "api.example")
    resolving(monkeypatch, api_example=["127.0.0.1"])
    ended = threading.Event()

    def talk(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.02):
                secure.sendall(b"x")

    policy = allowed("api.example", read_timeout=10, total_timeout=0.5)
    door = Door(cafile=str(authority))
    with raw_server(talk) as port, pytest.raises(outbound.TimedOut, match="in all"):
        door.send("GET", f"https://api.example:{port}/", {}, None, policy)
    ended.set()


def test_headers_that_cannot_be_read_put_no_path_into_the_hubs_log(fresh: Door, caplog: Any) -> None:
    def talk(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\x00\xff: \x01\r\nno colon here\r\n\r\n")

    with raw_server(talk) as port, pytest.raises(outbound.ConnectFailed, match="is not HTTP") as broken:
        fresh.send("POST", f"http://127.0.0.1:{port}/hook/very-secret", {}, b"{}", allowed())
    assert "very-secret" not in caplog.text + str(broken.value) + broken.value.hint
