"""Sockets of the outbound door: every address is checked before it is connected to.

The name is resolved once and the checked address itself is connected to, so that a name server
cannot answer twice (DNS rebinding).
"""

import ipaddress
import socket
import ssl
import time
from functools import lru_cache

import certifi

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Where clouds answer with a machine's own credentials: refused even to an allowed host name.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "168.63.129.16")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundError(Exception):
    """The request did not get an answer; the message is a sentence for the admin."""

    #: Whether the same request may pass later.
    retryable = True

    def __init__(self, message: str, *, hint: str = ""):
        """``message``: what happened, without any secret; ``hint``: what to do."""
        super().__init__(message)
        self.hint = hint


class AddressRefused(OutboundError):
    """The host's address is on a private network, or is no address of the internet."""

    retryable = False


class ConnectFailed(OutboundError):
    """The name does not resolve, nobody listens there, or the connection was lost."""


class TimedOut(OutboundError):
    """The provider did not answer within the time allowed."""


class ResponseTooLarge(OutboundError):
    """The answer is longer than is read."""

    retryable = False


class TLSFailed(OutboundError):
    """No trusted TLS connection could be made."""


class BadRequest(OutboundError):
    """The request itself may not leave: wrong URL, header or method."""

    retryable = False


@lru_cache(maxsize=4)
def tls_context(cafile: str | None = None) -> ssl.SSLContext:
    """Return a verifying client context: certifi's authorities, the machine's, and ``cafile``'s.

    ``SSL_CERT_FILE`` adds an organization's own authority, as OpenSSL reads it.
    """
    context = ssl.create_default_context(cafile=cafile or certifi.where())
    context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(
    host: str, port: int, timeout: float, *, private: bool, deadline: float = float("inf")
) -> socket.socket:
    """Return a socket connected to a checked address of ``host``.

    ``private``: the admin allows this host, so addresses of private networks are let through.
    Raise AddressRefused, ConnectFailed or TimedOut. Only connecting is timed, each address by
    ``timeout`` seconds and all by the monotonic ``deadline``; the system's resolver has a limit of its own.
    """
    addresses = _resolve(host, port)
    for _, address in addresses:
        reason = refusal(address, private=private)
        if reason:
            raise AddressRefused(
                f"{host} has the address {address}, which {reason}; nothing was sent.",
                hint=_allow_hint(host, port) if not private else "This address is never connected to.",
            )
    failure: OSError | None = None
    for family, address in addresses:
        try:
            return _open(family, address, port, min(timeout, deadline - time.monotonic()))
        except OSError as error:
            failure = error
    raise _connect_error(host, port, failure)


def _allow_hint(host: str, port: int) -> str:
    return (
        f"If the hub is meant to reach it, add {host}:{port} to the integration's allowed hosts; "
        "otherwise correct the URL."
    )


def refusal(address: Address, *, private: bool) -> str:
    """Return why ``address`` may not be connected to, or an empty string."""
    for each in (address, *_embedded(address)):
        if each in METADATA or each.is_link_local:
            return "is a link-local or cloud metadata address"
        if each.is_multicast or each.is_unspecified or (each.version == 4 and int(each) == 0xFFFFFFFF):
            return "is no address of one machine"
    if private:
        return ""
    for each in (address, *_embedded(address)):
        wrapper = each is address and bool(_embedded(address))
        if not wrapper and (not each.is_global or each.is_reserved or getattr(each, "is_site_local", False)):
            return "is on a private network or reserved"
    return ""


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address leads to: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = []
    if address.ipv4_mapped:
        found.append(address.ipv4_mapped)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    try:
        answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise ConnectFailed(
            f"The name {host} was not found.",
            hint="Check the host name in the settings, and the name server of this machine.",
        ) from None
    found = [
        (family, ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]))
        for family, _, _, _, sockaddr in answers
        if family in (socket.AF_INET, socket.AF_INET6)
    ]
    if not found:
        raise ConnectFailed(f"The name {host} has no address that can be connected to.")
    return list(dict.fromkeys(found))


def _open(family: socket.AddressFamily, address: Address, port: int, timeout: float) -> socket.socket:
    if timeout <= 0:
        raise TimeoutError("The deadline of the request has passed.")
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_error(host: str, port: int, error: OSError | None) -> OutboundError:
    if isinstance(error, TimeoutError):
        return TimedOut(
            f"{host}:{port} did not take the connection in time.",
            hint="The hub tries again. If it stays so, look for a firewall between the hub and the host.",
        )
    reason = error.strerror if error and error.strerror else "no connection"
    return ConnectFailed(
        f"{host}:{port} could not be connected to: {reason}.",
        hint="The hub tries again. If it stays so, check the address and whether the service runs.",
    )
