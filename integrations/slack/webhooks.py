"""Slack's calls: events, pressed buttons and other interactions, slash commands. One signature for all.

Source: docs.slack.dev/authentication/verifying-requests-from-slack, docs.slack.dev/apis/events-api.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from integrations.base.fields import Field
from integrations.base.verifiers import (
    check_timestamp,
    json_body,
    require_header,
    require_secret,
    sign_hmac,
    verify_hmac,
)
from integrations.base.webhooks import Answer, Incoming, Notice, Refused, Webhook, WebhookEvent

SIGNING = "signing_secret"


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove the call: HMAC-SHA256 over ``v0:<time>:<raw body>``."""
    secret = require_secret(secrets, SIGNING)
    stamp = require_header(incoming, "X-Slack-Request-Timestamp")
    signature = require_header(incoming, "X-Slack-Signature")
    check_timestamp(stamp, incoming.received_at)
    verify_hmac(secret, _message(stamp, incoming.body), [signature], prefix="v0=")


def sign(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> Mapping[str, str]:
    """Sign a call as Slack does."""
    stamp = str(int(now.timestamp()))
    signature = sign_hmac(secrets[SIGNING], _message(stamp, body), prefix="v0=")
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}


def handshake(incoming: Incoming) -> Answer | None:
    """Give the challenge back when Slack checks the address."""
    payload = _payload(incoming)
    if payload.get("type") != "url_verification":
        return None
    return Answer(body=str(payload.get("challenge", "")).encode())


def call_id(incoming: Incoming) -> str:
    """Return the event's id, or the trigger's, of which each interaction has one of its own."""
    payload = _payload(incoming)
    told = payload.get("event_id") or payload.get("trigger_id")
    return str(told) if told else hashlib.sha256(incoming.body).hexdigest()


def parse(incoming: Incoming) -> list[Notice]:
    """Return the call as one notice; its data is Slack's payload without the old verification token."""
    payload = _payload(incoming)
    if payload.get("type") == "url_verification" or "ssl_check" in payload:
        return []
    name, subject, time = _describe(payload)
    data = {key: value for key, value in payload.items() if key != "token"}
    return [Notice(call_id(incoming), f"slack.{name}", data, subject, time)]


def _describe(payload: Mapping[str, Any]) -> tuple[str, str, datetime | None]:
    """Return name, subject and time of what happened."""
    if payload.get("type") == "event_callback":
        event = _mapping(payload.get("event"))
        return str(event.get("type") or "event"), _channel(event), _time(payload.get("event_time"))
    if "command" in payload:
        return "slash_command", str(payload["command"]), None
    if "api_app_id" in payload and "minute_rate_limited" in payload:
        return (
            str(payload.get("type")),
            str(payload.get("team_id", "")),
            _time(payload["minute_rate_limited"]),
        )
    return f"interaction.{payload.get('type') or 'unknown'}", *_interaction(payload)


def _interaction(payload: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """Return what was pressed or sent, and when."""
    actions = payload.get("actions")
    first = _mapping(actions[0]) if isinstance(actions, list) and actions else {}
    subject = (
        first.get("action_id")
        or payload.get("callback_id")
        or _mapping(payload.get("view")).get("callback_id")
    )
    return str(subject or ""), _time(first.get("action_ts") or payload.get("action_ts"))


def _channel(event: Mapping[str, Any]) -> str:
    channel = event.get("channel") or _mapping(event.get("item")).get("channel") or event.get("user")
    found = channel.get("id") if isinstance(channel, dict) else channel
    return str(found or "")


def _payload(incoming: Incoming) -> dict[str, Any]:
    """Read JSON (events), a form with JSON in ``payload`` (interactions), or a form (slash commands)."""
    kind = incoming.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return dict(_mapping(json_body(incoming)))
    form = dict(parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True))
    if "payload" not in form:
        return dict(form)
    try:
        return dict(_mapping(json.loads(form["payload"])))
    except (ValueError, RecursionError):
        raise Refused("The form's payload is not JSON.") from None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _message(stamp: str, body: bytes) -> bytes:
    return b"v0:" + stamp.encode() + b":" + body


def _time(value: Any) -> datetime | None:
    """Read Unix seconds, which Slack gives as a number or as text with microseconds."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    sign=sign,
    handshake=handshake,
    call_id=call_id,
    fields=(
        Field(
            SIGNING,
            "Signing secret",
            help="On the app's page under Basic Information → App Credentials.",
            example="0123456789abcdef0123456789abcdef",
            pattern=r"[0-9a-f]{32}",
            secret=True,
        ),
    ),
    events=(
        WebhookEvent("slack.interaction.block_actions", "A button was pressed, or something chosen"),
        WebhookEvent("slack.interaction.view_submission", "A form was sent"),
        WebhookEvent("slack.interaction.shortcut", "A shortcut was used"),
        WebhookEvent("slack.slash_command", "A slash command was typed"),
        WebhookEvent("slack.message", "A message was posted"),
        WebhookEvent("slack.app_mention", "The app was mentioned"),
        WebhookEvent("slack.reaction_added", "A reaction was added"),
        WebhookEvent("slack.member_joined_channel", "Somebody joined a channel"),
        WebhookEvent("slack.app_uninstalled", "The app was removed from the workspace"),
    ),
    setup=(
        "On the app's page at api.slack.com/apps, paste the address above under Event Subscriptions, under "
        "Interactivity & Shortcuts, and at each slash command, and enter the app's signing secret here "
        "first: Slack checks the address at once."
    ),
    deadline=3.0,
)
