"""Where a request is from, and how much of it is read."""

import dataclasses
import io
from typing import Any

import pytest
from django.test import RequestFactory

from hub.lib.inbound import BodyTooLarge, client_address, human_size, is_local_call, read_body, source_group

PROXIES = ("10.0.0.0/8", "2001:db8::/32")


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "1.2.3.4", "203.0.113.5"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, rubbish", "10.0.0.1"),
        ("2001:db8::1", "2a00::1", "2a00::1"),
        ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("", "1.2.3.4", ""),
    ],
)
def test_only_trusted_proxies_are_believed(settings: Any, remote: str, forwarded: str, found: str) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, trusted_proxies=PROXIES)
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)

    assert client_address(request) == found


def test_an_ipv6_network_counts_as_one_source() -> None:
    assert source_group("2001:db8::1") == source_group("2001:db8::ffff") == "2001:db8::/64"
    assert source_group("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("remote", "headers", "local"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.0.2.1", {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("", {}, False),
    ],
)
def test_a_local_call_is_not_passed_on(remote: str, headers: dict[str, str], local: bool) -> None:
    assert is_local_call(RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)) is local


def test_reads_up_to_the_limit_and_not_on() -> None:
    exact = RequestFactory().generic("POST", "/", b"x" * 10)
    assert read_body(exact, 10) == b"x" * 10

    with pytest.raises(BodyTooLarge, match="9 bytes"):
        read_body(RequestFactory().generic("POST", "/", b"x" * 10), 9)


def test_a_body_without_a_length_is_bounded_too() -> None:
    stream = io.BytesIO(b"x" * 100)
    request = RequestFactory().generic("POST", "/", b"", headers={"Transfer-Encoding": "chunked"})
    request.META.pop("CONTENT_LENGTH", None)
    request.META["wsgi.input"] = stream

    with pytest.raises(BodyTooLarge):
        read_body(request, 10)
    assert stream.tell() == 11


@pytest.mark.parametrize(("size", "text"), [(1 << 20, "1 MiB"), (16384, "16 KiB"), (1500, "1500 bytes")])
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human_size(size) == text
