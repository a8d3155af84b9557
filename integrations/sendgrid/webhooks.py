"""SendGrid's event webhook: ECDSA over time and raw body; arrays of events."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.base.fields import Field
from integrations.base.verifiers import (
    check_timestamp,
    json_body,
    public_key_base64,
    require_header,
    require_secret,
    sandbox_ecdsa_key,
    sign_ecdsa,
    verify_ecdsa,
)
from integrations.base.webhooks import Incoming, Notice, Webhook, WebhookEvent

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
STAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
#: Seconds that a call may be old: SendGrid sets no limit, and repeats failed calls for a day.
OLDEST = 2 * 24 * 3600
#: Seeds the key pair of tests and sandbox.
SEED = "sendgrid event webhook"


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove the call by SendGrid's public key; younger replays are caught by the events' ids."""
    signature, stamp = require_header(incoming, SIGNATURE), require_header(incoming, STAMP)
    check_timestamp(stamp, incoming.received_at, OLDEST)
    key = require_secret(secrets, "public_key", "verification key")
    verify_ecdsa(key, signature, stamp.encode() + incoming.body)


def sign(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call with the key of tests and sandbox, whose public half is the field's sample."""
    stamp = str(int(now.timestamp()))
    return {SIGNATURE: sign_ecdsa(sandbox_ecdsa_key(SEED), stamp.encode() + body), STAMP: stamp}


def parse(incoming: Incoming) -> list[Notice]:
    """Return a notice per event; our custom_args stand among its fields."""
    events = json_body(incoming)
    return [_notice(event) for event in (events if isinstance(events, list) else [events])]


def _notice(event: Mapping[str, Any]) -> Notice:
    content = json.dumps(event, sort_keys=True).encode()
    stamp = event.get("timestamp")
    return Notice(
        id=str(event.get("sg_event_id") or hashlib.sha256(content).hexdigest()),
        type=f"sendgrid.{event.get('event', 'event')}",
        data=event,
        subject=str(event.get("email", "")),
        time=datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, int) else None,
    )


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    sign=sign,
    fields=(
        Field(
            "public_key",
            "Verification key",
            help="SendGrid → Settings → Mail Settings → Event Webhooks → Signature verification.",
            pattern=r"MFkwEwYHKoZIzj0[A-Za-z0-9+/=]{90,120}",
            sample=lambda: public_key_base64(sandbox_ecdsa_key(SEED)),
        ),
    ),
    events=(
        WebhookEvent("sendgrid.processed", "SendGrid took a message"),
        WebhookEvent("sendgrid.delivered", "A message was delivered"),
        WebhookEvent("sendgrid.deferred", "A delivery was put off by the receiving server"),
        WebhookEvent("sendgrid.bounce", "A message bounced or was blocked"),
        WebhookEvent("sendgrid.dropped", "SendGrid did not send a message"),
        WebhookEvent("sendgrid.open", "A message was opened"),
        WebhookEvent("sendgrid.click", "A link in a message was followed"),
        WebhookEvent("sendgrid.spamreport", "A recipient reported spam"),
        WebhookEvent("sendgrid.unsubscribe", "A recipient unsubscribed"),
        WebhookEvent("sendgrid.group_unsubscribe", "A recipient left a group"),
        WebhookEvent("sendgrid.group_resubscribe", "A recipient came back to a group"),
        WebhookEvent("sendgrid.account_status_change", "The state of the SendGrid account changed"),
    ),
    setup=(
        "In SendGrid open Settings → Mail Settings → Event Webhooks, create a webhook with the address "
        "above, choose the events, switch on Signature verification, and copy the verification key into "
        "this form."
    ),
)
