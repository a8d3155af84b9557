"""What a provider declares about the webhooks it sends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.base.fields import Field


class Refused(Exception):
    """The call is not proved to come from the provider; the message says why, for the admin."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One call to a webhook endpoint: the raw bytes, as they came.

    ``url`` is the endpoint's public address as configured, with the query of this call, never
    the Host header. Header names are lower case. ``fetch`` gets a URL through the outbound door
    (certificates); it raises OutboundError.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    query: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fetch: Callable[[str], bytes] = field(repr=False, default=lambda url: b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint answers at once: a handshake, or the provider's expected form."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing a webhook tells: becomes an event. ``id`` is the provider's, for de-duplication.

    ``type`` begins with the provider's slug: ``stripe.invoice.paid``.
    """

    id: str
    type: str
    data: Mapping[str, Any]
    subject: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A declared event type; ``fixtures/webhooks/<name>.json`` holds a body."""

    type: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """How calls are proved, answered and read.

    ``verify(incoming, secrets)`` raises Refused unless the call is proved by ``secrets`` (the
    values of ``fields``). ``parse`` runs later, in the worker. ``handshake`` answers before
    anything else, after ``verify``. ``call_id`` is the provider's id of the whole call, for
    de-duplication, where it has one. ``follow_up`` names a URL the worker must GET to confirm a
    subscription. ``deadline``: seconds the provider waits for an answer.
    """

    verify: Callable[[Incoming, Mapping[str, str]], None]
    parse: Callable[[Incoming], list[Notice]]
    fields: tuple[Field, ...] = ()
    events: tuple[WebhookEvent, ...] = ()
    handshake: Callable[[Incoming], Answer | None] | None = None
    call_id: Callable[[Incoming], str] | None = None
    follow_up: Callable[[Incoming], str | None] | None = None
    answer: Answer = Answer()
    deadline: float = 5.0
    cors_origins: tuple[str, ...] = ()
    setup: str = ""
    #: Makes the headers of a rightly signed call, for the sandbox and the tests: (body, secrets, url, now).
    sign: Callable[[bytes, Mapping[str, str], str, datetime], Mapping[str, str]] | None = None
    #: Where the signature stands in the body itself: (body, secrets, url, now) → the signed body.
    seal: Callable[[bytes, Mapping[str, str], str, datetime], bytes] | None = None
    #: What ``Incoming.fetch`` answers for calls made by ``sign`` and ``seal`` (a certificate).
    sample_fetch: Callable[[str], bytes] | None = None
