"""Outgoing webhooks: one integration for each subscription, made by the hub and not by the connect form.

Signed as Standard Webhooks 1.0.0 says (github.com/standard-webhooks), with two keys while one is replaced.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from integrations.base import fields
from integrations.base.auth import AuthScheme
from integrations.base.errors import TransientError
from integrations.base.provider import Context, Provider, RateLimit, action
from integrations.base.responses import receiver_classifier
from integrations.base.results import Result
from integrations.base.standard_webhooks import KeyFormError, message, sign

KEY_PATTERN = r"whsec_[A-Za-z0-9+/]{32,86}={0,2}"
classify = receiver_classifier(
    gone="The receiver wants no more messages: the subscription is switched off.",
    look="Look into the endpoint's own log.",
)


class Message(BaseModel):
    """The event as it is sent."""

    id: str = Field(max_length=100, description="The event's id: the same in every repetition.")
    type: str = Field(max_length=200, description="What happened, in dotted words: order.paid.")
    time: str = Field("", max_length=40, description="When it happened, ISO 8601.")
    subject: str = Field("", max_length=200, description="What it is about.")
    source: str = Field("", max_length=500, description="Where it happened.")
    data: Any = Field(None, description="What is told about it: any JSON.")


@action("subscriber.deliver", "Deliver to the subscriber", Message, whole_event=True)
def deliver(ctx: Context, data: Message) -> Result:
    """Post the event, signed; the webhook-id is the same on every attempt of one delivery."""
    return Result(external_id=_post(ctx, message(data.model_dump(mode="json"))))


def connection_test(ctx: Context) -> Result:
    """Post a signed message of the type ``subscription.test``."""
    _post(
        ctx,
        {
            "id": "test",
            "type": "subscription.test",
            "timestamp": ctx.now.isoformat(),
            "subject": "",
            "source": "",
            "data": {"message": "A test of the subscription."},
        },
    )
    return Result(message="The endpoint took the test message.")


def _post(ctx: Context, told: dict[str, Any]) -> str:
    # A dot would make the signed text ambiguous, as the specification warns.
    message_id = (ctx.idempotency_key or f"msg_{told['id']}").replace(".", "_")
    body = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        signed = sign(message_id, int(ctx.now.timestamp()), body, _keys(ctx))
    except KeyFormError as error:
        hint = "Rotate the subscription's secret."
        raise TransientError(f"The message cannot be signed: {error}", hint=hint) from None
    ctx.http.post("", body=body, headers={"Content-Type": "application/json", **signed})
    return message_id


def _keys(ctx: Context) -> list[str]:
    keys = [ctx.secrets.get("signing_secret", "")]
    until = ctx.settings.get("previous_until")
    if until and ctx.now < datetime.fromisoformat(until):
        keys.append(ctx.secrets.get("previous_secret", ""))
    return [key for key in keys if key]


PROVIDER = Provider(
    slug="subscriber",
    name="Subscriber",
    category="automation",
    summary="An address that somebody subscribed to events of the hub.",
    docs_url="https://www.standardwebhooks.com/",
    colour="#4f46e5",
    managed_by="subscription",
    base_urls={"default": "{url}"},
    auth=(AuthScheme(label="The signature"),),
    fields=(
        fields.Field(
            "url",
            "Address",
            help="Where the events go. A host on a private network must be on the list of allowed hosts.",
            example="https://hooks.example.com/interchange",
            pattern=r"https?://[^\s/?#@\\]+([/?][^\s#]*)?",
            kind="url",
            max_length=2000,
        ),
        fields.Field(
            "signing_secret",
            "Signing secret",
            help="whsec_ and 24 to 64 bytes in base64: what the receiver verifies with.",
            example="whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYW4tZW5kcG9pbnQ=",
            pattern=KEY_PATTERN,
            secret=True,
        ),
        fields.Field(
            "previous_secret",
            "Previous secret",
            help="Signs as well until the overlap ends.",
            example="whsec_ZXhhbXBsZS1zZWNyZXQtdGhhdC13YXMtYmVmb3Jl",
            pattern=KEY_PATTERN,
            secret=True,
            required=False,
        ),
        fields.Field(
            "previous_until",
            "Previous secret until",
            help="Moment at which the overlap ends, ISO 8601 with its offset.",
            example="2030-12-31T00:00:00+00:00",
            pattern=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00",
            required=False,
        ),
    ),
    test=connection_test,
    actions=(deliver,),
    rate_limit=RateLimit(20, 1),
    timeout=15.0,
    classify=classify,
)
