"""Stripe's webhooks: ``Stripe-Signature`` over the raw body, one event per call.

Source: docs.stripe.com/webhooks, and the official SDK's ``_webhook.py``.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.base.fields import Field
from integrations.base.verifiers import (
    json_body,
    require_header,
    require_secret,
    sign_timestamped,
    verify_timestamped,
)
from integrations.base.webhooks import Incoming, Notice, Webhook, WebhookEvent

SIGNING = "webhook_signing_secret"


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove the call; while a secret is being rolled Stripe signs with both, and either will do."""
    signature = require_header(incoming, "Stripe-Signature")
    verify_timestamped(signature, incoming.body, require_secret(secrets, SIGNING), incoming.received_at)


def sign(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call as Stripe does."""
    return {"Stripe-Signature": sign_timestamped(body, secrets[SIGNING], now)}


def call_id(incoming: Incoming) -> str:
    """Return the event's id, the same in every repetition of the call."""
    return _text(_event(incoming).get("id"))


def parse(incoming: Incoming) -> list[Notice]:
    """Return the event as a notice: Stripe's ``data``, with mode and connected account beside it.

    A thin event (API v2) has no object, only ``related_object`` to look up.
    """
    event = _event(incoming)
    data = event.get("data")
    told = dict(data) if isinstance(data, dict) else {}
    told |= {name: event[name] for name in ("livemode", "account", "related_object") if name in event}
    about = told.get("object") or told.get("related_object")
    subject = _text(about.get("id")) if isinstance(about, dict) else ""
    kind = _text(event.get("type")) or "event"
    return [Notice(call_id(incoming), f"stripe.{kind}", told, subject, _time(event.get("created")))]


def _event(incoming: Incoming) -> dict[str, Any]:
    event = json_body(incoming)
    return event if isinstance(event, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _time(value: Any) -> datetime | None:
    """Read Unix seconds (v1) or ISO 8601 (v2)."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    sign=sign,
    call_id=call_id,
    fields=(
        Field(
            SIGNING,
            "Signing secret",
            help="Stripe shows it on the endpoint's page in Workbench → Webhooks.",
            example="whsec_example0000000000000000000000",
            pattern=r"whsec_\S{8,}",
            secret=True,
        ),
    ),
    events=tuple(
        WebhookEvent(f"stripe.{name}", label)
        for name, label in (
            ("invoice.paid", "An invoice was paid"),
            ("invoice.payment_failed", "Paying an invoice failed"),
            ("invoice.finalized", "An invoice was finalized"),
            ("payment_intent.succeeded", "A payment succeeded"),
            ("payment_intent.payment_failed", "A payment failed"),
            ("charge.refunded", "Money was given back"),
            ("charge.dispute.created", "A payer disputes a charge"),
            ("checkout.session.completed", "A checkout was completed"),
            ("customer.created", "A customer was created"),
            ("customer.updated", "A customer was changed"),
            ("customer.deleted", "A customer was deleted"),
            ("customer.subscription.created", "A subscription began"),
            ("customer.subscription.updated", "A subscription changed"),
            ("customer.subscription.deleted", "A subscription ended"),
        )
    ),
    setup=(
        "In Stripe, open Workbench → Webhooks → Add destination, paste the address above, choose the "
        "events, and copy the signing secret of the new endpoint into this form. Test mode and live "
        "mode have endpoints of their own, each with its own secret."
    ),
    deadline=10.0,
)
