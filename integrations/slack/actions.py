"""What Slack can be asked to do, by an incoming webhook or by a bot token."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from integrations.base.capabilities import Email, Identifier, Input, Message
from integrations.base.errors import PermanentError, Rejected
from integrations.base.provider import Context, action
from integrations.base.results import Result
from integrations.slack.client import answer, strange

#: Without a charset Slack adds a warning to each answer.
JSON = {"Content-Type": "application/json; charset=utf-8"}
_TEAM = re.compile(r"/services/(T[A-Z0-9]+)/")


class MessageUpdate(Input):
    """New content of a message that the app posted."""

    channel: Identifier = Field(min_length=1, description="Id of the channel the message is in: C0123456789.")
    ts: Identifier = Field(min_length=1, description="The message's ts: 1503435956.000247.")
    text: str = Field(min_length=1, max_length=40000, description="The new text.")
    blocks: list[dict[str, Any]] = Field(default_factory=list, max_length=50, description="The new layout.")


class UserLookup(Input):
    """Somebody who is looked for."""

    email: Email = Field(description="E-mail address in the workspace.")


@action("message.post", "Post a message", Message, capability=True)
def post_message(ctx: Context, data: Message) -> Result:
    """Post a message into a channel; an incoming webhook posts into the one it was made for."""
    body: dict[str, Any] = {"text": _text(data), "blocks": data.blocks, "thread_ts": _ts(data.thread)}
    body = {name: value for name, value in body.items() if value}
    if url := ctx.secrets.get("webhook_url"):
        response = ctx.http.post(url, json=body, headers=JSON)
        if response.text.strip() != "ok":
            raise strange(response)
        return Result(message="Slack took the message; an incoming webhook tells no id.")
    channel = data.channel or ctx.settings.get("channel", "")
    if not channel:
        problem = "Name a channel in the mapping, or set the integration's own."
        raise Rejected("No channel is given.", fields={"channel": problem})
    # Slack knows no idempotency key; this shows whoever looks which delivery a message came from.
    mark = {"event_type": "interchange_delivery", "event_payload": {"idempotency_key": ctx.idempotency_key}}
    return _posted(_call(ctx, "chat.postMessage", {"channel": channel, **body, "metadata": mark}))


@action("slack.update_message", "Change a message", MessageUpdate)
def update_message(ctx: Context, data: MessageUpdate) -> Result:
    """Replace the content of a message that the app posted; needs a bot token."""
    return _posted(_call(ctx, "chat.update", data.model_dump(exclude_defaults=True)))


@action("slack.find_user", "Find a user", UserLookup)
def find_user(ctx: Context, data: UserLookup) -> Result:
    """Find a member of the workspace by e-mail address; needs a bot token."""
    _need_token(ctx)
    found = answer(ctx.http.post("/users.lookupByEmail", form={"email": data.email})).get("user")
    user = found if isinstance(found, dict) else {}
    kept = {name: user[name] for name in ("name", "real_name", "team_id", "tz") if user.get(name)}
    return Result(str(user.get("id") or ""), kept)


def test_token(ctx: Context) -> Result:
    """Ask Slack who the token belongs to."""
    said = answer(ctx.http.post("/auth.test", json={}, headers=JSON))
    label, team = str(said.get("team") or said.get("team_id") or ""), str(said.get("team_id") or "")
    return Result(label, message="The connection works.", account_id=team)


def test_webhook(ctx: Context) -> Result:
    """Post nothing: a live webhook answers that the text is missing, and no message appears."""
    response = ctx.http.post(ctx.secrets["webhook_url"], json={}, headers=JSON, check=False)
    if response.status == 400 and response.text.strip() in ("no_text", "invalid_payload"):
        # …/services/T…/B…/…: only the last part is secret; the first is the workspace, as auth.test has it.
        team = _TEAM.search(urlsplit(ctx.secrets["webhook_url"]).path)
        return Result(message="The webhook is live.", account_id=team.group(1) if team else "")
    ctx.http.classify(response)
    raise PermanentError(
        "Slack did not answer as an incoming webhook does.",
        hint="Check that the URL is the one Slack shows under Incoming Webhooks.",
        status=response.status,
    )


def _call(ctx: Context, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    _need_token(ctx)
    return answer(ctx.http.post(f"/{method}", json=body, headers=JSON))


def _need_token(ctx: Context) -> None:
    if not ctx.secrets.get("bot_token"):
        raise PermanentError(
            "An incoming webhook can only post messages.",
            hint="Connect Slack with a bot token for this action.",
        )


def _posted(said: Mapping[str, Any]) -> Result:
    channel, ts = str(said.get("channel") or ""), str(said.get("ts") or "")
    return Result(f"{channel}:{ts}" if ts else "", {"channel": channel, "ts": ts})


def _ts(thread: str) -> str:
    """Read a message's ts; the hub's own id of a message is ``channel:ts``."""
    return thread.rpartition(":")[2]


def _text(data: Message) -> str:
    """Slack's mrkdwn: the title in bold above, the link below."""
    title = f"*{data.title}*" if data.title else ""
    link = f"<{data.link}>" if data.link else ""
    return "\n".join(part for part in (title, data.text, link) if part)
