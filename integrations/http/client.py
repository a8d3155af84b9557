"""Builds, signs and sends one message; says what the receiver's answers mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from hub.lib.compact import compact
from integrations.base.auth import AuthScheme, Credentials
from integrations.base.errors import AuthError, IntegrationError
from integrations.base.http import Outgoing
from integrations.base.provider import Context, action
from integrations.base.responses import receiver_classifier
from integrations.base.results import Result
from integrations.base.standard_webhooks import KeyFormError, sign

#: Names of the hub's own envelope: a message of these alone is put into the usual form.
ENVELOPE = frozenset({"id", "type", "subject", "source", "time", "timestamp", "data"})
#: Refusals of the body itself; sending it again changes nothing.
REFUSED_BODY = frozenset({400, 406, 413, 414, 415, 422})

#: A redirect will not pass next time either.
classify = receiver_classifier(
    gone="The receiver wants no more messages here: pause the integration or remove its routes.",
    look="Check the address and the endpoint's own log.",
    auth=frozenset({401}),
    final=REFUSED_BODY.union(range(300, 400)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHeader(AuthScheme):
    """A secret in a header whose name the admin chooses."""

    key: str = "header"
    label: str = "Key in a header"

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        """Add the header to ``request``."""
        name = credentials.settings.get("header_name", "")
        if name:
            request.headers[name] = credentials.secrets.get("header_value", "")


class OutgoingMessage(BaseModel):
    """What is sent. ``type`` and ``data`` make the usual form; other fields go out as they are mapped."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("", max_length=200, description="What happened, in dotted words: order.paid.")
    timestamp: str = Field("", description="When it happened, ISO 8601; left out, the time of sending.")
    data: Any = Field(None, description="What is told about it: any JSON.")

    def body(self, ctx: Context) -> bytes:
        """Return the JSON that is signed and sent."""
        if self.type and self.model_fields_set <= ENVELOPE:
            moment = self.timestamp or (self.model_extra or {}).get("time") or ctx.now.isoformat()
            return compact({"type": self.type, "timestamp": moment, "data": self.data})
        return compact(self.model_dump(mode="json", exclude_unset=True))


@action("http.send", "Send a message", OutgoingMessage, whole_event=True)
def send(ctx: Context, data: OutgoingMessage) -> Result:
    """Send JSON, signed; the receiver knows a repetition by its webhook-id."""
    message_id = _deliver(ctx, data.body(ctx))
    return Result(external_id=message_id)


def connection_test(ctx: Context) -> Result:
    """Send a signed message of the type ``interchange.test``."""
    data = OutgoingMessage(type="interchange.test", data={"message": "A test of the connection."})
    try:
        _deliver(ctx, data.body(ctx))
    except IntegrationError as error:
        if error.status == 403:
            hint = "The endpoint forbids it: check the authentication, and whether it lets this hub in."
            raise AuthError(error.message, status=403, hint=hint) from None
        raise
    return Result(message="The endpoint took the test message.")


def receiver_of(settings: Mapping[str, Any]) -> str:
    """Return the host of the address: an endpoint has no account to ask for."""
    return urlsplit(str(settings.get("url") or "")).netloc.lower()


def user_of(settings: Mapping[str, Any]) -> str:
    """Return who signs in, and where."""
    return f"{settings.get('username') or ''}@{receiver_of(settings)}"


def _deliver(ctx: Context, body: bytes) -> str:
    # A dot would make the signed text ambiguous, as the specification warns.
    message_id = (ctx.idempotency_key or f"msg_{uuid4().hex}").replace(".", "_")
    headers = {"Content-Type": "application/json", **_custom_headers(ctx)}
    if keys := _keys(ctx):
        try:
            headers |= sign(message_id, int(ctx.now.timestamp()), body, keys)
        except KeyFormError as error:
            raise AuthError(f"The message cannot be signed: {error}", hint="Enter the key again.") from None
    else:
        headers |= {"webhook-id": message_id, "webhook-timestamp": str(int(ctx.now.timestamp()))}
    ctx.http.request(ctx.settings.get("method", "POST"), ctx.settings["url"], body=body, headers=headers)
    return message_id


def _keys(ctx: Context) -> list[str]:
    keys = [ctx.secrets.get("signing_secret", ""), ctx.secrets.get("signing_key", "")]
    until = ctx.settings.get("previous_until")
    if not until or ctx.now.date() <= _day(until):
        keys.append(ctx.secrets.get("previous_key", ""))
    return [key for key in keys if key]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min


def _custom_headers(ctx: Context) -> dict[str, str]:
    pairs = (entry.partition(":") for entry in ctx.settings.get("headers", []))
    return {name.strip(): value.strip() for name, _, value in pairs}
