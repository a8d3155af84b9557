"""The one door by which the hub's requests leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class OutboundError(Exception):
    """The request did not get an answer; the message is a sentence for the admin."""

    retryable = True

    def __init__(self, message: str, *, hint: str = ""):
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Policy:
    """What one integration's requests may do.

    ``allowed_hosts``: ``host`` or ``host:port`` on private networks that may be reached.
    Timeouts in seconds, sizes in bytes.
    """

    allowed_hosts: frozenset[str] = frozenset()
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    max_response_bytes: int = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    url: str = ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any: ...


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, policy: Policy
) -> Response: ...
