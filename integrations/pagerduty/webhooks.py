"""PagerDuty's webhooks v3: ``X-PagerDuty-Signature`` over the raw body, one event per call."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.base.fields import Field
from integrations.base.verifiers import (
    json_body,
    require_header,
    require_secret,
    sign_versioned,
    verify_versioned,
)
from integrations.base.webhooks import Incoming, Notice, Webhook, WebhookEvent

SECRET = "webhook_secret"  # the field's name


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove the call; while a secret is replaced PagerDuty signs with both."""
    secret = require_secret(secrets, SECRET)
    verify_versioned(require_header(incoming, "X-PagerDuty-Signature"), incoming.body, secret)


def sign(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call as PagerDuty does."""
    return {"X-PagerDuty-Signature": sign_versioned(body, secrets[SECRET])}


def call_id(incoming: Incoming) -> str:
    """Return the event's id, the same in every repetition of the call."""
    return str(_event(incoming).get("id") or "")


def parse(incoming: Incoming) -> list[Notice]:
    """Return the event as a notice: its ``data``, with who did it beside it."""
    event = _event(incoming)
    data = event.get("data") if isinstance(event.get("data"), dict) else {}
    told = {**(data or {}), "agent": event.get("agent"), "resource_type": event.get("resource_type")}
    kind = event.get("event_type") or "event"
    subject = str((data or {}).get("id") or "")
    return [Notice(call_id(incoming), f"pagerduty.{kind}", told, subject, _time(event.get("occurred_at")))]


def _event(incoming: Incoming) -> dict[str, Any]:
    body = json_body(incoming)
    event = body.get("event") if isinstance(body, dict) else None
    return event if isinstance(event, dict) else {}


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    sign=sign,
    call_id=call_id,
    fields=(
        Field(
            SECRET,
            "Signing secret",
            help="Shown once, when the webhook subscription is made.",
            example="example+pagerduty+webhook+secret+0000000000000000000000000000",
            pattern=r"\S{16,200}",
            secret=True,
        ),
    ),
    events=tuple(
        WebhookEvent(f"pagerduty.{kind}", label)
        for kind, label in (
            ("incident.triggered", "An incident was opened"),
            ("incident.acknowledged", "Somebody is on it"),
            ("incident.resolved", "An incident is over"),
            ("incident.*", "Anything else about an incident"),
            ("service.*", "A service was created, changed or deleted"),
            ("pagey.ping", "A test from PagerDuty"),
        )
    ),
    setup=(
        "In PagerDuty, open Integrations → Generic Webhooks (v3) → New Webhook, paste the address above, "
        "choose scope and events, and copy the signing secret that is shown once into this form."
    ),
    deadline=5.0,
)
