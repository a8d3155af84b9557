"""What SES can do: mail, and the account's suppression list."""

import base64
import json
import re
from typing import Any, Literal

from pydantic import Field

from integrations.amazon_ses.client import account_of_key, call
from integrations.base.capabilities import Address, Email, EmailMessage, Input
from integrations.base.errors import PermanentError
from integrations.base.provider import Context, action
from integrations.base.results import Result

_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_-]")


class Suppression(Input):
    """An address that SES is to send nothing to."""

    email: Email = Field(description="The address: ada@example.com.")
    reason: Literal["BOUNCE", "COMPLAINT"] = Field("BOUNCE", description="BOUNCE or COMPLAINT.")


class Release(Input):
    """An address that may get mail again."""

    email: Email = Field(description="The address: ada@example.com.")


@action("email.send", "Send an e-mail", EmailMessage, capability=True)
def send_email(ctx: Context, data: EmailMessage) -> Result:
    """Send one message; its events carry the queue item's key as tag hub_message_id."""
    sender = data.from_ or Address(
        email=ctx.settings["from_address"], name=ctx.settings.get("from_name") or ""
    )
    request: dict[str, Any] = {
        "FromEmailAddress": _mailbox(sender),
        "Destination": {
            name: [_mailbox(one) for one in people]
            for name, people in (
                ("ToAddresses", data.to),
                ("CcAddresses", data.cc),
                ("BccAddresses", data.bcc),
            )
            if people
        },
        "ReplyToAddresses": [_mailbox(data.reply_to)] if data.reply_to else None,
        "Content": _content(data),
        "EmailTags": _tags(ctx, data),
        "ConfigurationSetName": ctx.settings.get("configuration_set"),
    }
    answer = call(ctx, "send_email", **{name: value for name, value in request.items() if value})
    return Result(external_id=answer.get("MessageId", ""))


def _mailbox(address: Address) -> str:
    """Return ``Ada <ada@example.com>``; names beyond ASCII are encoded (RFC 2047), as SES wants them."""
    if address.name.isascii():
        return str(address)
    name = base64.b64encode(address.name.encode()).decode()
    return f"=?UTF-8?B?{name}?= <{address.email}>"


def _content(data: EmailMessage) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if data.headers:
        extras["Headers"] = [{"Name": name, "Value": value} for name, value in data.headers.items()]
    if data.attachments:
        extras["Attachments"] = [
            {
                "FileName": one.filename,
                "ContentType": one.content_type,
                "RawContent": base64.b64decode(one.content),
            }
            for one in data.attachments
        ]
    if data.template_id:
        # An ARN names a template of another account.
        which = "TemplateArn" if data.template_id.startswith("arn:") else "TemplateName"
        values = json.dumps(data.template_data, ensure_ascii=False)
        return {"Template": {which: data.template_id, "TemplateData": values, **extras}}
    texts = {"Text": data.text, "Html": data.html}
    body = {kind: _utf8(value) for kind, value in texts.items() if value}
    return {"Simple": {"Subject": _utf8(data.subject), "Body": body, **extras}}


def _utf8(value: str) -> dict[str, str]:
    return {"Data": value, "Charset": "UTF-8"}


def _tags(ctx: Context, data: EmailMessage) -> list[dict[str, str]]:
    """Return the tags: SES takes letters, digits, _ and - only, and each name once."""
    tags = {"hub_message_id": ctx.idempotency_key}
    if data.categories:
        tags["category"] = data.categories[0]
    tags |= {f"category_{n}": value for n, value in enumerate(data.categories[1:], start=2)}
    return [{"Name": name, "Value": _NOT_IN_TAG.sub("_", value)[:256]} for name, value in tags.items()]


@action("amazon_ses.suppress", "Stop mail to an address", Suppression)
def suppress(ctx: Context, data: Suppression) -> Result:
    """Put an address on the account's suppression list: SES sends it nothing any more."""
    call(ctx, "put_suppressed_destination", EmailAddress=data.email, Reason=data.reason)
    return Result(external_id=data.email)


@action("amazon_ses.unsuppress", "Allow mail to an address again", Release)
def unsuppress(ctx: Context, data: Release) -> Result:
    """Take an address off the account's suppression list."""
    try:
        call(ctx, "delete_suppressed_destination", EmailAddress=data.email)
    except PermanentError as error:
        if error.status != 404:
            raise
        return Result(external_id=data.email, message="The address was not on the list.")
    return Result(external_id=data.email)


def test_connection(ctx: Context) -> Result:
    """Read the account: whose it is, whether it may send, and to whom."""
    account = call(ctx, "get_account")
    if not account.get("SendingEnabled", True):
        raise PermanentError("The key works, but sending is switched off for this account.", hint=_PAUSED)
    quota = account.get("SendQuota", {})
    said = f"The connection works; {quota.get('Max24HourSend', 0):.0f} messages a day are allowed."
    if not account.get("ProductionAccessEnabled"):
        said += " The account is in the SES sandbox: only verified recipients get mail."
    number = account_of_key(ctx)
    # Identities, limits and the suppression list are those of one region.
    label = f"AWS account {number} in {ctx.settings['region']}" if number else ""
    return Result(external_id=label, message=said, account_id=number and f"{number}/{ctx.settings['region']}")


_PAUSED = "Open Account dashboard in the SES console to see why, and resume sending."
