"""HubSpot's webhooks: signature v3 over method, address, body and time; arrays of events."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.base.fields import Field
from integrations.base.verifiers import (
    check_timestamp,
    json_body,
    percent_decode_only,
    require_header,
    require_secret,
    sign_hmac,
    verify_hmac,
)
from integrations.base.webhooks import Incoming, Notice, Webhook, WebhookEvent

SIGNATURE, STAMP = "X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp"
#: The only escapes that HubSpot decodes in the address before it signs.
DECODED = ":/?@!$'()*,;"
KINDS = {"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket"}


def signed_message(method: str, url: str, body: bytes, stamp: str) -> bytes:
    """Return the bytes that the v3 signature covers."""
    return method.upper().encode() + percent_decode_only(url, DECODED).encode() + body + stamp.encode()


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove the call by the app's client secret; calls older than five minutes are refused."""
    signature, stamp = require_header(incoming, SIGNATURE), require_header(incoming, STAMP)
    check_timestamp(stamp, incoming.received_at, unit="ms")
    secret = require_secret(secrets, "client_secret", "client secret")
    message = signed_message(incoming.method, incoming.url, incoming.body, stamp)
    verify_hmac(secret, message, [signature], encoding="base64")


def sign(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call as HubSpot does."""
    stamp = str(int(now.timestamp() * 1000))
    message = signed_message("POST", url, body, stamp)
    return {SIGNATURE: sign_hmac(secrets["client_secret"], message, encoding="base64"), STAMP: stamp}


def parse(incoming: Incoming) -> list[Notice]:
    """Return a notice per event; a repeated delivery of one has the same id."""
    events = json_body(incoming)
    return [_notice(event) for event in (events if isinstance(events, list) else [events])]


def _notice(event: Mapping[str, Any]) -> Notice:
    # eventId alone is not unique; attemptNumber changes with every repetition.
    parts = ("portalId", "subscriptionType", "objectId", "eventId", "occurredAt")
    key = [event.get(part) for part in parts]
    kind, _, what = str(event.get("subscriptionType", "event")).partition(".")
    kind = KINDS.get(str(event.get("objectTypeId")), kind) if kind == "object" else kind
    name = ".".join(_snake(part) for part in ("hubspot", kind, what) if part)
    occurred = event.get("occurredAt")
    time = datetime.fromtimestamp(occurred / 1000, UTC) if isinstance(occurred, int) else None
    return Notice(
        id=json.dumps(key, separators=(",", ":")),
        type=name,
        data=event,
        subject=str(event.get("objectId", "")),
        time=time,
    )


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    sign=sign,
    deadline=5.0,
    fields=(
        Field(
            "client_secret",
            "Client secret of the app",
            help="On the Auth tab of the app that sends the webhooks; it signs every call.",
            example="00000000-0000-4000-8000-000000000002",
            pattern=r"[0-9a-fA-F-]{36}",
            secret=True,
        ),
    ),
    events=(
        WebhookEvent("hubspot.contact.creation", "A contact was created"),
        WebhookEvent("hubspot.contact.property_change", "A property of a contact changed"),
        WebhookEvent("hubspot.contact.deletion", "A contact was deleted"),
        WebhookEvent("hubspot.contact.privacy_deletion", "A contact was erased for privacy"),
        WebhookEvent("hubspot.company.creation", "A company was created"),
        WebhookEvent("hubspot.company.property_change", "A property of a company changed"),
        WebhookEvent("hubspot.company.deletion", "A company was deleted"),
        WebhookEvent("hubspot.deal.creation", "A deal was created"),
        WebhookEvent("hubspot.deal.property_change", "A property of a deal changed"),
        WebhookEvent("hubspot.deal.deletion", "A deal was deleted"),
    ),
    setup=(
        "In the app's webhook settings paste the address above as target URL, exactly as it stands here, "
        "and subscribe to the events. Subscribe to contact.privacyDeletion too and pass it on to whatever "
        "keeps personal data."
    ),
)
