"""Slack's answers: the Web API says ``ok: false`` with status 200, incoming webhooks say one word.

Sources: docs.slack.dev/apis/web-api and docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

from collections.abc import Mapping
from typing import Any

from hub.lib.outbound import Response
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)
from integrations.base.responses import classifier, standard_retry_after

#: The token is refused, or may not do this.
AUTH = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "org_login_required",
        "access_denied",
        "ekm_access_denied",
        "team_access_not_granted",
    }
)
#: The incoming webhook is gone, or the channel it is bound to.
DEAD_WEBHOOK = frozenset(
    {
        "invalid_token",
        "no_service",
        "no_service_id",
        "no_active_hooks",
        "no_team",
        "team_disabled",
        "channel_not_found",
        "channel_is_archived",
    }
)
LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
TRANSIENT = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "rollup_error",
    }
)
#: Which field of the input a refusal is about.
FIELDS = {
    "channel_not_found": "channel",
    "not_in_channel": "channel",
    "is_archived": "channel",
    "restricted_action": "channel",
    "no_text": "text",
    "msg_too_long": "text",
    "msg_blocks_too_long": "blocks",
    "invalid_blocks": "blocks",
    "invalid_blocks_format": "blocks",
    "thread_not_found": "thread",
    "message_not_found": "ts",
    "cant_update_message": "ts",
    "edit_window_closed": "ts",
    "users_not_found": "email",
}
HINTS = {
    "not_in_channel": "Invite the app into the channel (/invite @app), or give it chat:write.public.",
    "channel_not_found": "Check the channel's id; a private channel is found only once the app is invited.",
    "is_archived": "The channel is archived; choose another one.",
    "token_expired": "The token has expired: install the app again and enter the new token.",
    "users_not_found": "Nobody in this workspace has that e-mail address.",
}
RECONNECT = "Enter a token that Slack accepts: open the app's page, OAuth & Permissions, and copy it again."
NEW_WEBHOOK = "The webhook or its channel is gone. Make a new incoming webhook in Slack and enter its URL."

_by_status = classifier()


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success, whatever its status."""
    said = read(response)
    if response.status == 429 or said.get("error") in LIMITED:
        wait = standard_retry_after(response)
        raise RateLimited("Slack's limit is reached.", status=response.status, retry_after=wait)
    if response.status >= 500:
        _by_status(response)
    if said.get("ok") is False:
        raise _web_api_error(said, response.status)
    if not 200 <= response.status < 300:
        _raise_webhook_error(response)


def read(response: Response) -> Mapping[str, Any]:
    """Return the JSON object of an answer; an empty one where there is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def answer(response: Response) -> Mapping[str, Any]:
    """Return the object of a success; raise TransientError where something else came back."""
    said = read(response)
    if said.get("ok") is not True:
        raise strange(response)
    return said


def strange(response: Response) -> TransientError:
    """Return the error for an answer that Slack never gives."""
    return TransientError(
        "The answer is not Slack's; something in between, such as a proxy, may have given it.",
        status=response.status,
    )


def _web_api_error(said: Mapping[str, Any], status: int) -> IntegrationError:
    error = str(said.get("error") or "unknown_error")
    message = f"Slack refused: {error}"
    if error == "missing_scope":
        needed = said.get("needed") or "the scope that is missing"
        hint = f"Give the app the scope {needed}, install it again and enter the new token."
        return AuthError(message, status=status, hint=hint)
    if error in AUTH:
        return AuthError(message, status=status, hint=HINTS.get(error, RECONNECT))
    return _refusal(error, message, status)


def _raise_webhook_error(response: Response) -> None:
    error, status = response.text.strip()[:100], response.status
    if error in DEAD_WEBHOOK:
        raise AuthError(f"Slack refused: {error}", status=status, hint=NEW_WEBHOOK)
    if status < 500 and error in FIELDS:
        raise _refusal(error, f"Slack refused: {error}", status)
    _by_status(response)


def _refusal(error: str, message: str, status: int) -> IntegrationError:
    hint = HINTS.get(error, "")
    if error in TRANSIENT:
        return TransientError(message, status=status)
    if field := FIELDS.get(error):
        return Rejected(message, fields={field: error}, hint=hint, status=status)
    return PermanentError(message, hint=hint, status=status)
