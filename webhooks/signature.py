"""The test of signatures: says whether a call would be proved, and why not; signs a sample.

Nothing is kept and nothing becomes an event. A call that is not proved as it was pasted is tried again
with what pasting and waiting do to it (line ends, a last newline, its age), so that the sentence names
the true reason.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.utils import timezone

from hub.lib.outbound import OutboundError
from hub.lib.typed import TypedError, read_typed
from integrations.base.fixtures import WebhookFixture, webhook_fixtures
from integrations.base.webhooks import Incoming, Refused, Webhook
from webhooks.calls import MASK
from webhooks.fetching import fetcher
from webhooks.models import WebhookEndpoint
from webhooks.proving import missing_secrets, verify

_CURL = re.compile(r"""^\s*(?:-H|--header)\s+(['"]?)(.*)\1\s*\\?$""")
_STAMP = re.compile(r"(?<!\d)\d{10}(?:\d{3})?(?!\d)")
#: Unix times that a call can have been signed at: 2001 to 2100.
_EARLIEST, _LATEST = 1_000_000_000, 4_102_444_800


class Unsigned(Exception):
    """No sample can be signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One header that the provider signs with, and whether the call has it."""

    name: str
    ok: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call is proved as it stands, in words, and what was looked at.

    ``otherwise``: under which change it would be proved, where it is not.
    """

    proved: bool
    reason: str
    otherwise: str = ""
    headers: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A rightly signed call: headers as lines, the body, and a command that makes it."""

    headers: str
    body: str
    curl: str


def read_headers(text: str) -> dict[str, str]:
    """Return pasted headers, names in lower case: lines ``Name: value``, curl's ``-H``, or a JSON object.

    Raises ValueError with a sentence that names the line.
    """
    if text.lstrip().startswith("{"):
        return _json_headers(text)
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        curl = _CURL.match(line)
        line = (curl[2] if curl else line).strip()
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name.strip()):
            raise ValueError(f"Line {number} of the headers is none: write it as “Name: value”.")
        found[name.strip().lower()] = value.strip()
    return found


def incoming(
    endpoint: WebhookEndpoint, headers: Mapping[str, str], body: bytes, address: str = ""
) -> Incoming:
    """Return the call that was pasted, as if it came now; ``address`` may carry a query of its own."""
    own = settings.HUB.url + endpoint.path
    query = urlsplit(address).query if address else ""
    return Incoming(
        method="POST",
        url=own + (f"?{query}" if query else ""),
        headers=dict(headers),
        body=body,
        received_at=timezone.now(),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        settings=endpoint.integration.settings,
        fetch=fetcher(endpoint.integration),
    )


def check(endpoint: WebhookEndpoint, webhook: Webhook, call: Incoming) -> Verdict:
    """Say whether ``call`` is proved by the endpoint's secrets, and why not. Never raises."""
    looked_at = tuple(_headers(endpoint, webhook, call))
    said, place = _outcome(endpoint, webhook, call)
    if not said:
        which = "the former secret, which holds a while longer" if place else "the secret that is set here"
        return Verdict(True, f"The signature fits: it was made with {which}.", headers=looked_at)
    otherwise = ""
    for words, variant in _variants(call):
        if not _outcome(endpoint, webhook, variant)[0]:
            otherwise = words
            break
    return Verdict(False, said, otherwise, looked_at)


def sample(
    endpoint: WebhookEndpoint, webhook: Webhook, body: bytes, also: Mapping[str, str] | None = None
) -> Sample:
    """Sign ``body`` with the endpoint's present secrets; headers of ``also`` go along. Raises Unsigned."""
    if webhook.sign is None and webhook.seal is None:
        raise Unsigned("How this provider signs is not declared, so samples cannot be made.")
    made, sealed = _signed(endpoint, webhook, body)
    names = {"Content-Type": "application/json", **_named(also or {}), **made}
    call = incoming(endpoint, {name.lower(): value for name, value in names.items()}, sealed)
    if _outcome(endpoint, webhook, replace(call, fetch=_no_fetch))[0]:
        raise Unsigned(
            "Only the provider can sign: it holds the private half of the key. Let it send a test call."
        )
    lines = [f"{name}: {value}" for name, value in names.items()]
    text = sealed.decode("utf-8", "replace")
    parts = ["curl", "-X", "POST", call.url, *(part for line in lines for part in ("-H", line))]
    return Sample("\n".join(lines), text, shlex.join([*parts, "--data-binary", text]))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they are usually written: ``Content-Type`` for ``content-type``."""
    return {name.title(): value for name, value in headers.items()}


def samples(endpoint: WebhookEndpoint) -> list[WebhookFixture]:
    """Return the provider's sample calls that tell something."""
    return [fixture for fixture in webhook_fixtures(endpoint.integration.provider) if fixture.notices]


def _outcome(endpoint: WebhookEndpoint, webhook: Webhook, call: Incoming) -> tuple[str, int]:
    """Return why the call is refused ("": it is proved), and which secrets proved it."""
    try:
        return "", verify(endpoint, webhook, call)
    except Refused as refused:
        return str(refused), 0
    except OutboundError as error:
        return f"What proves the call could not be fetched: {error}", 0
    except Exception as error:  # as for a real call: whatever goes wrong while proving, it is refused
        return f"The call has a form that could not be proved ({type(error).__name__}).", 0


def _variants(call: Incoming) -> Iterator[tuple[str, Incoming]]:
    """Yield what pasting or waiting may have made of the call, with the words for it."""
    body = call.body
    unix = body.replace(b"\r\n", b"\n")
    changed = {
        "a newline at the end": unix + b"\n",
        "no newline at the end": unix.rstrip(b"\n"),
        "Windows line ends (CRLF)": unix.replace(b"\n", b"\r\n"),
        "the JSON written without spaces": _compact(body),
    }
    bodies = [(words, other) for words, other in changed.items() if other and other != body]
    times = list(_times(call))
    for moment in times:
        yield _age(call, moment), replace(call, received_at=moment)
    for words, other in bodies:
        yield f"The signature fits the body with {words}. {_PASTED}", replace(call, body=other)
        for moment in times:
            text = f"The signature fits the body with {words}. {_PASTED} {_age(call, moment)}"
            yield text, replace(call, body=other, received_at=moment)


_PASTED = "Pasting has changed it; compare the exact bytes that were sent."


def _age(call: Incoming, moment: datetime) -> str:
    minutes = round(abs((call.received_at - moment).total_seconds()) / 60)
    side = "ago" if call.received_at > moment else "ahead of our clock"
    return (
        f"The signature itself is right, but it was made {minutes:,} minutes {side}: "
        "such a call is only proved while it is new."
    )


def _times(call: Incoming) -> Iterator[datetime]:
    """Yield the Unix times that stand in headers."""
    seen = set()
    for value in call.headers.values():
        for text in _STAMP.findall(value):
            seconds = int(text) / (1000 if len(text) == 13 else 1)
            if _EARLIEST < seconds < _LATEST and seconds not in seen:
                seen.add(seconds)
                yield datetime.fromtimestamp(seconds, UTC)


def _compact(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return b""


def _headers(endpoint: WebhookEndpoint, webhook: Webhook, call: Incoming) -> Iterator[Found]:
    """Yield the headers that the provider's signature stands in, as a signed sample shows them."""
    try:
        wanted, _ = _signed(endpoint, webhook, b"{}")
    except Unsigned:
        return
    for name in wanted:
        value = call.headers.get(name.lower(), "")
        if MASK in value:
            yield Found(name, False, "masked: the hub does not keep it, so paste it from the provider")
        else:
            yield Found(name, bool(value), "" if value else "missing")


def _signed(endpoint: WebhookEndpoint, webhook: Webhook, body: bytes) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and the body of a call signed now with the present secrets; raise Unsigned."""
    secrets, now = endpoint.secret_sets()[0], timezone.now()
    if missing := missing_secrets(webhook, secrets):
        raise Unsigned(f"Enter {', '.join(missing)} first: a sample is signed with it.")
    url = settings.HUB.url + endpoint.path
    try:
        sealed = webhook.seal(body, secrets, url, now) if webhook.seal else body
        return (webhook.sign(sealed, secrets, url, now) if webhook.sign else {}), sealed
    except (ValueError, KeyError, TypeError) as error:
        raise Unsigned(f"The sample could not be signed: {error}") from None


def _no_fetch(url: str) -> bytes:
    raise OutboundError("Samples fetch nothing.")


def _json_headers(text: str) -> dict[str, str]:
    try:
        held = read_typed(text)
    except TypedError as error:
        raise ValueError(f"The headers look like JSON but are none yet: {error}") from None
    return {str(name).lower(): str(value) for name, value in held.items()}
