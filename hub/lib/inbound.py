"""What every request that comes in is asked: where it is from, and how much it brings."""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
CHUNK = 64 * 1024


class BodyTooLarge(Exception):
    """The body is larger than is taken; nothing beyond the limit was read."""

    def __init__(self, limit: int):
        super().__init__(f"The body is larger than the limit of {human_size(limit)}.")
        self.limit = limit


def human_size(size: int) -> str:
    """Return a number of bytes for people: ``1 MiB``, ``1536 bytes``."""
    for unit, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def read_body(request: HttpRequest, limit: int) -> bytes:
    """Return the raw body; raise BodyTooLarge, without reading on, where it has over ``limit`` bytes.

    Reads the stream itself, so that the bytes are those that were signed, and so that a body sent
    in chunks, which has no length, is bounded too.
    """
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit() and int(declared[:19]) > limit:
        raise BodyTooLarge(limit)
    chunked = not declared and "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    stream = request.META["wsgi.input"] if chunked and "wsgi.input" in request.META else request
    parts: list[bytes] = []
    size = 0
    while part := stream.read(min(CHUNK, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
    return b"".join(parts)


def client_address(request: HttpRequest) -> str:
    """Return the caller's address; see ``address_in``."""
    return address_in(request.META)


def address_in(meta: Mapping[str, Any]) -> str:
    """Return the caller's address; ``X-Forwarded-For`` is believed only from trusted proxies.

    Goes from the nearest hop outwards and stops at the first address that is no trusted proxy:
    what stands further left was written by somebody unknown.
    """
    trusted = _networks(tuple(settings.HUB.trusted_proxies))
    found = meta.get("REMOTE_ADDR") or ""
    hops = [hop.strip() for hop in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    while hops and _within(_address(found), trusted):
        hop = _address(hops.pop())
        if hop is None:
            break
        found = str(hop)
    address = _address(found)
    return str(address) if address else ""


def source_group(address: str) -> str:
    """Return what a limit counts by: an IPv4 address, or the /64 network of an IPv6 one."""
    parsed = _address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def is_local_call(request: HttpRequest) -> bool:
    """Whether the call was made on this machine and not passed on by a proxy."""
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"))
    address = _address(request.META.get("REMOTE_ADDR") or "")
    return address is not None and address.is_loopback and not forwarded


@lru_cache(maxsize=8)
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(proxy.strip(), strict=False) for proxy in proxies if proxy.strip())


def _address(text: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def _within(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
