"""The one door by which the hub's requests leave.

``send`` checks the request, connects only to checked addresses, follows no redirect, keeps no
cookie, and reads no more than the policy allows, for no longer than it allows. It is built on
requests' adapter rather than its Session: a Session would keep cookies of one integration for the
next and read the body of a redirect without a limit.
"""

import logging
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError, SSLError
from urllib3.util import Timeout

from hub import __version__
from hub.lib import addresses
from hub.lib.addresses import (
    AddressRefused,
    BadRequest,
    ConnectFailed,
    OutboundError,
    ResponseTooLarge,
    TimedOut,
    TLSFailed,
)

__all__ = [
    "AddressRefused",
    "BadRequest",
    "ConnectFailed",
    "Door",
    "OutboundError",
    "Policy",
    "Response",
    "ResponseTooLarge",
    "TLSFailed",
    "TimedOut",
    "send",
]

USER_AGENT = f"Interchange/{__version__}"
CHUNK = 64 * 1024
#: Connections kept open per host: at least as many as a worker has threads.
POOL_SIZE = 64
#: Hosts whose connections are kept.
POOLS = 256

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9._\[\]:-]+(?:[/?][A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?")
_METHOD = re.compile(r"[A-Z]{3,12}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
#: Headers that frame or route the request; they are the door's own.
_OWN_HEADERS = frozenset(
    {"content-length", "transfer-encoding", "connection", "host", "te", "trailer", "upgrade"}
)

# urllib3 writes paths at DEBUG, and with headers it cannot read whole URLs at WARNING: a path may hold a
# secret (incoming-webhook URLs).
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Policy:
    """What one integration's requests may do.

    ``allowed_hosts``: ``host`` or ``host:port`` on private networks that may be reached.
    Timeouts in seconds: to connect, between two reads, and for the whole. Sizes in bytes.
    """

    allowed_hosts: frozenset[str] = frozenset()
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_response_bytes: int = 5 * 1024 * 1024
    total_timeout: float = 60.0

    def allows(self, host: str, port: int) -> bool:
        """Whether ``host`` may be on a private network."""
        return host in self.allowed_hosts or f"{host}:{port}" in self.allowed_hosts


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are lower case; several of one name are joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    url: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8, whatever is wrong in it replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON; raise ValueError where it is none."""
        return orjson.loads(self.body)


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None, policy: Policy) -> Response:
    """Send one request and return its answer, whatever its status; raise OutboundError.

    A redirect is not followed: it is the answer.
    """
    return _door.send(method, url, headers, body, policy)


class Door:
    """Two pools of connections: to hosts on the internet, and to hosts an admin allowed by name.

    A pooled connection is thus only ever reused by a policy that would have let it be opened.
    Safe for many threads.
    """

    def __init__(self, cafile: str | None = None):
        """``cafile``: one more file of certificate authorities to trust."""
        context = addresses.tls_context(cafile)
        self._public = _Adapter(_PublicHTTP, _PublicHTTPS, context)
        self._allowed = _Adapter(_AllowedHTTP, _AllowedHTTPS, context)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, policy: Policy
    ) -> Response:
        """See the module's ``send``."""
        parts = _checked_url(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        fields = _fields(method, parts, headers, body)
        adapter = self._allowed if policy.allows(host, port) else self._public
        addresses.call.deadline = time.monotonic() + policy.total_timeout
        addresses.call.io_timeout = policy.read_timeout
        try:
            answer = adapter.pool(parts.scheme, host, port).urlopen(
                method,
                (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
                body=body or None,
                headers=fields,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=Timeout(connect=policy.connect_timeout, read=policy.read_timeout),
                preload_content=False,
                decode_content=False,
            )
            return _read(answer, host, policy, parts.geturl())
        except (HTTPError, OSError) as error:
            raise _translated(error, host, policy) from None
        finally:
            addresses.call.deadline = float("inf")

    def close(self) -> None:
        """Close every idle connection."""
        self._public.close()
        self._allowed.close()


class _Corked:
    """Sends a request's head and body with one write: half the system calls, and often half the packets."""

    _cork: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Collect what http.client writes piece by piece, then write it at once."""
        self._cork = []
        try:
            super().request(*args, **kwargs)  # type: ignore[misc]
            whole = b"".join(self._cork)
        finally:
            self._cork = None
        self.send(whole)

    def send(self, data: Any) -> None:
        """Keep ``data`` for later while a request is being built."""
        if self._cork is not None and isinstance(data, bytes):
            self._cork.append(data)
        else:
            super().send(data)  # type: ignore[misc]


class _PublicHTTP(_Corked, HTTPConnection):
    def _new_conn(self) -> Any:
        return addresses.connect(self._dns_host, _port(self), _timeout(self), private=False)


class _PublicHTTPS(_Corked, HTTPSConnection):
    def _new_conn(self) -> Any:
        return addresses.connect(self._dns_host, _port(self), _timeout(self), private=False)


class _AllowedHTTP(_Corked, HTTPConnection):
    def _new_conn(self) -> Any:
        return addresses.connect(self._dns_host, _port(self), _timeout(self), private=True)


class _AllowedHTTPS(_Corked, HTTPSConnection):
    def _new_conn(self) -> Any:
        return addresses.connect(self._dns_host, _port(self), _timeout(self), private=True)


def _port(connection: HTTPConnection) -> int:
    return connection.port or connection.default_port


def _timeout(connection: HTTPConnection) -> float:
    return connection.timeout if isinstance(connection.timeout, int | float) else 5.0


class _Adapter(HTTPAdapter):
    """The pools of requests' adapter, over connections that check their address, with one TLS context."""

    def __init__(self, plain: type[HTTPConnection], tls: type[HTTPSConnection], context: Any):
        super().__init__(pool_connections=POOLS, pool_maxsize=POOL_SIZE)
        self.init_poolmanager(POOLS, POOL_SIZE, ssl_context=context)
        self._known: dict[tuple[str, str, int], HTTPConnectionPool] = {}
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }

    def pool(self, scheme: str, host: str, port: int) -> HTTPConnectionPool:
        """Return the connections to a host. A Session's own way to them costs twice the request."""
        known = self._known.get((scheme, host, port))
        if known is None or known.pool is None:
            if len(self._known) >= POOLS:
                self._known.clear()
            known = self.poolmanager.connection_from_host(host, port, scheme)
            known.cert_reqs = "CERT_REQUIRED"
            self._known[scheme, host, port] = known
        return known


def _checked_url(url: str) -> SplitResult:
    try:
        if not _PLAIN_URL.fullmatch(url):
            quoted = requests.PreparedRequest()
            quoted.prepare_url(url, None)
            url = quoted.url or ""
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, UnicodeError, requests.RequestException):
        raise _bad_url("is not a valid URL") from None
    if parts.scheme not in ("http", "https"):
        raise _bad_url("does not begin with https:// or http://")
    if not parts.hostname or port == 0 or any(ord(character) <= 32 for character in url):
        raise _bad_url("is not a valid URL")
    if "@" in parts.netloc:
        raise _bad_url("holds a user name or password, which belong into the integration's own fields")
    return parts._replace(fragment="")


def _bad_url(what: str) -> BadRequest:
    return BadRequest(
        f"The address of the request {what}; nothing was sent.",
        hint="Correct it in the integration's settings.",
    )


def _fields(
    method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes | None
) -> dict[str, str]:
    if not _METHOD.fullmatch(method):
        raise BadRequest("The request's method is not one of HTTP; nothing was sent.")
    fields = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"}
    given = {}
    for name, value in headers.items():
        _check_header(name, value, parts)
        if name.lower() not in _OWN_HEADERS:
            given[name] = value
    for name in [name for name in fields if any(name.lower() == other.lower() for other in given)]:
        del fields[name]
    fields |= given
    if body or method in ("POST", "PUT", "PATCH"):
        fields["Content-Length"] = str(len(body or b""))
    return fields


def _check_header(name: str, value: str, parts: SplitResult) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise BadRequest("A header's name holds characters that may not stand there; nothing was sent.")
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
        raise BadRequest(
            f"The header {name} holds a line break or a character that may not stand in a header; "
            "nothing was sent.",
            hint="Look for a line break pasted with a key, or for letters outside Latin-1.",
        )
    if name.lower() == "host" and value.lower() not in (parts.netloc, parts.hostname):
        raise BadRequest("The Host header names another host than the URL; nothing was sent.")
    if name.lower() == "transfer-encoding":
        raise BadRequest("The header Transfer-Encoding may not be set; nothing was sent.")


def _read(raw: Any, host: str, policy: Policy, url: str) -> Response:
    limit = policy.max_response_bytes
    body = bytearray()
    try:
        if int(raw.headers.get("Content-Length") or 0) > limit:
            raise _too_large(host, limit)
        for chunk in raw.stream(CHUNK, decode_content=True):
            body += chunk
            if len(body) > limit:
                raise _too_large(host, limit)
    except BaseException:
        raw.close()
        raise
    raw.release_conn()
    return Response(
        raw.status, {name.lower(): value for name, value in raw.headers.items()}, bytes(body), url
    )


def _too_large(host: str, limit: int) -> ResponseTooLarge:
    return ResponseTooLarge(
        f"The answer of {host} is longer than {limit:,} bytes and was cut off.",
        hint="Ask for fewer rows at once, or check that the address is the API's.",
    )


def _translated(error: Exception, host: str, policy: Policy) -> OutboundError:
    """Return our error for one of urllib3 or the socket; theirs name the whole URL."""
    if time.monotonic() >= addresses.call.deadline:
        return TimedOut(
            f"{host} took longer than {policy.total_timeout:g} seconds in all and was cut off.",
            hint="The hub tries again. If the provider is known to be slow, raise the timeout.",
        )
    if isinstance(error, SSLError):
        return TLSFailed(
            f"No trusted TLS connection to {host} could be made: {_tls_reason(error)}.",
            hint="Check the host name and its certificate; a private authority is added by SSL_CERT_FILE.",
        )
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return TimedOut(
            f"{host} did not answer within {policy.read_timeout:g} seconds.",
            hint="The hub tries again. If the provider is known to be slow, raise the timeout.",
        )
    if isinstance(error, NameResolutionError):
        return ConnectFailed(f"The name {host} was not found.", hint="Check the host name in the settings.")
    if isinstance(error, ValueError):
        return BadRequest(f"The request to {host} could not be built; nothing was sent.")
    return ConnectFailed(
        f"The connection to {host} was lost before it answered.", hint="The hub tries again."
    )


def _tls_reason(error: Exception) -> str:
    text = str(error)
    found = re.search(r"certificate verify failed: ([^(\"']+)", text) or re.search(
        r"\[SSL: ([A-Z_0-9]+)\]", text
    )
    return found.group(1).strip().rstrip(".") if found else "the handshake failed"


_door = Door()


def _renew_after_fork() -> None:
    """Give a forked process connections of its own."""
    global _door
    _door = Door()


os.register_at_fork(after_in_child=_renew_after_fork)
