"""SendGrid's message body, contact batches and errors."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hub.lib.outbound import Response
from integrations.base.capabilities import Address, EmailMessage
from integrations.base.errors import AuthError, PermanentError, Rejected
from integrations.base.provider import Context, Outcome
from integrations.base.responses import classifier, hinting, json_of
from integrations.base.results import Result

#: Bytes that one request with contacts may have (6 MB), less some room.
MAX_BYTES = 5_500_000
_ROW = re.compile(r"contacts?\[(\d+)\]")

_NAME_RIGHT = "user.username.read"
_TEST_HINTS = {
    401: "SendGrid refuses the API key. Make a new one under Settings → API Keys.",
    403: "The API key may not read its own rights. Make a new one with Mail Send.",
}


def who_am_i(ctx: Context) -> Result:
    """Read the key's rights, which every key may, and whose it is, where these allow it."""
    with hinting(_TEST_HINTS):
        rights = _answer(ctx.http.get("/v3/scopes")).get("scopes") or []
    user = _answer(ctx.http.get("/v3/user/username", check=False)) if _NAME_RIGHT in rights else {}
    key = user.get("user_id") or user.get("userId") or ""
    return Result(str(user.get("username") or ""), message="The connection works.", account_id=str(key))


def _answer(response: Response) -> Mapping[str, Any]:
    said = json_of(response)
    return said if isinstance(said, Mapping) else {}


def message_body(ctx: Context, data: EmailMessage) -> dict[str, Any]:
    """Return the body of ``POST /v3/mail/send``."""
    sender = data.from_ or Address(email=ctx.settings["from_email"], name=ctx.settings.get("from_name") or "")
    body: dict[str, Any] = {
        "from": _address(sender),
        "personalizations": [_personalization(ctx, data)],
        "reply_to": _address(data.reply_to) if data.reply_to else None,
        "subject": data.subject,
        # Plain text has to come first.
        "content": [
            {"type": kind, "value": value}
            for kind, value in (("text/plain", data.text), ("text/html", data.html))
            if value
        ],
        "template_id": data.template_id,
        "categories": list(dict.fromkeys(category[:255] for category in data.categories)),
        "headers": data.headers,
        "attachments": [
            {"content": one.content, "type": one.content_type, "filename": one.filename}
            for one in data.attachments
        ],
        "mail_settings": {"sandbox_mode": {"enable": True}} if ctx.settings.get("sandbox_mode") else None,
    }
    return {name: value for name, value in body.items() if value}


def _personalization(ctx: Context, data: EmailMessage) -> dict[str, Any]:
    one: dict[str, Any] = {}
    seen: set[str] = set()
    for name, given in (("to", data.to), ("cc", data.cc), ("bcc", data.bcc)):
        # An address may stand only once in the three lists together.
        fresh = {each.email.lower(): each for each in reversed(given) if each.email.lower() not in seen}
        seen |= fresh.keys()
        if fresh:
            one[name] = [_address(each) for each in reversed(fresh.values())]
    one["custom_args"] = {"hub_message_id": ctx.idempotency_key}
    if data.template_data:
        # Ids of dynamic templates begin with d-; legacy ones know only texts to substitute.
        if data.template_id.startswith("d-"):
            one["dynamic_template_data"] = data.template_data
        else:
            one["substitutions"] = {name: str(value) for name, value in data.template_data.items()}
    return one


def _address(address: Address) -> dict[str, str]:
    return {"email": address.email, "name": address.name} if address.name else {"email": address.email}


def put_contacts(ctx: Context, contacts: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Upsert contacts; those that SendGrid names as wrong are refused alone, the others sent again."""
    outcomes: list[Outcome] = [Result()] * len(contacts)
    waiting = list(range(len(contacts)))
    while waiting:
        part = _fitting(contacts, waiting)
        try:
            job = _put(ctx, [contacts[position] for position in part])
        except Rejected as error:
            refused = _refused(error, part)
            if not refused:
                raise
            for position, row_error in refused.items():
                outcomes[position] = row_error
            waiting = [position for position in waiting if position not in refused]
            continue
        for position in part:
            outcomes[position] = Result(data={"job_id": job}, message="SendGrid queued the contact.")
        waiting = waiting[len(part) :]
    return outcomes


def _put(ctx: Context, contacts: Sequence[Mapping[str, Any]]) -> str:
    body: dict[str, Any] = {"contacts": list(contacts)}
    if lists := ctx.settings.get("list_ids"):
        body["list_ids"] = list(lists)
    return str(ctx.http.put("/v3/marketing/contacts", host="marketing", json=body).json().get("job_id", ""))


def _fitting(contacts: Sequence[Mapping[str, Any]], waiting: Sequence[int]) -> list[int]:
    """Return as many of the first waiting rows as fit into one request."""
    part: list[int] = []
    size = 0
    for position in waiting:
        size += len(json.dumps(contacts[position]))
        if part and size > MAX_BYTES:
            break
        part.append(position)
    return part


def _refused(error: Rejected, part: Sequence[int]) -> dict[int, Rejected]:
    refused: dict[int, Rejected] = {}
    for field, reason in error.fields.items():
        for number in _ROW.findall(f"{field} {reason}"):
            if int(number) < len(part):
                name = field.rpartition(".")[2] or "contact"
                said = f"SendGrid refused the contact: {reason}"
                refused[part[int(number)]] = Rejected(said, fields={name: reason}, status=error.status)
    return refused


def _errors(response: Response) -> list[Mapping[str, Any]]:
    try:
        body = response.json()
    except ValueError:
        return []
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []


def _fields(response: Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for position, error in enumerate(_errors(response)):
        message = str(error.get("message", "refused"))
        name = (
            error.get("field") or error.get("parameter") or (_ROW.search(message) and f"contacts #{position}")
        )
        if name:
            found[str(name)] = message
    return found


_by_status = classifier(message="errors[].message", fields=_fields)


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success.

    403 has two meanings: a sender that is not verified, or a key that lacks a right.
    """
    try:
        _by_status(response)
    except PermanentError as error:
        if response.status != 403:
            raise
        if "from" in (reasons := _fields(response)):
            hint = "Verify the sender in SendGrid under Settings → Sender Authentication."
            raise Rejected(error.message, fields=reasons, hint=hint, status=403) from None
        hint = "The API key lacks a right. Edit it under Settings → API Keys, then test the connection."
        raise AuthError(error.message, hint=hint, status=403) from None
