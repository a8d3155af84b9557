"""Calls signed as Standard Webhooks 1.0.0 says, from any sender."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.base.fields import Field
from integrations.base.standard_webhooks import read_header, sign, verify
from integrations.base.verifiers import require_secret
from integrations.base.webhooks import Incoming, Notice, Refused, Webhook, WebhookEvent

KEY = "verification_key"


def prove(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove a call by the shared secret or the sender's public key."""
    key = require_secret(secrets, KEY, "verification key")
    verify(incoming.headers, incoming.body, [key], incoming.received_at)


def make_headers(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call as a sender does."""
    return sign("msg_0000000000000000000000", int(now.timestamp()), body, [secrets[KEY]])


def call_id(incoming: Incoming) -> str:
    """Return the message's id, the same in every repetition of the call."""
    try:
        return read_header(incoming.headers, "id")
    except Refused:
        return ""


def parse(incoming: Incoming) -> list[Notice]:
    """Return one notice: ``type``, ``timestamp`` and ``data`` of the usual form, else the whole body."""
    try:
        body: Any = json.loads(incoming.body)
    except ValueError:
        body = incoming.body.decode("utf-8", "replace")
    kind = body.get("type") if isinstance(body, dict) else None
    usual = isinstance(kind, str) and kind and "data" in body
    told = body["data"] if usual else body
    data = told if isinstance(told, dict) else {"body": told}
    moment = _time(body.get("timestamp")) if isinstance(body, dict) else None
    return [Notice(call_id(incoming), f"http.{kind if usual else 'received'}", data, time=moment)]


def _time(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


WEBHOOK = Webhook(
    verify=prove,
    parse=parse,
    sign=make_headers,
    call_id=call_id,
    fields=(
        Field(
            KEY,
            "Verification key",
            help="The sender's shared secret (whsec_…) or its public key (whpk_…).",
            example="whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYS1zZW5kZXItMDAwMA==",
            pattern=r"(whsec_)?[A-Za-z0-9+/]{24,88}={0,2}|whpk_[A-Za-z0-9+/]{43}=?",
            secret=True,
        ),
    ),
    events=(WebhookEvent("http.*", "Any event: http. and the type that the sender gives"),),
    setup=(
        "Give the sender the address above. It must sign as Standard Webhooks say: enter its secret "
        "(whsec_…) or its public key (whpk_…) here. Calls without a valid signature are refused."
    ),
    deadline=15.0,
)
