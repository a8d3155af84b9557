"""What SendGrid can do: mail, contacts, suppressions, erasure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import Field

from integrations.base.capabilities import Contact, Email, EmailMessage, Input
from integrations.base.provider import Context, Outcome, action, batch_action
from integrations.base.results import Result
from integrations.sendgrid.client import message_body, put_contacts

#: Fields of a contact that SendGrid names itself; any other property is a custom field's id.
RESERVED = frozenset(
    {
        "address_line_1",
        "address_line_2",
        "alternate_emails",
        "anonymous_id",
        "city",
        "country",
        "external_id",
        "phone_number_id",
        "postal_code",
        "state_province_region",
    }
)


class EmailAddress(Input):
    """One e-mail address."""

    email: Email = Field(description="The address: ada@example.com.")


@action("email.send", "Send an e-mail", EmailMessage, capability=True)
def send_email(ctx: Context, data: EmailMessage) -> Result:
    """Send one message; SendGrid's events about it carry the queue item's key as hub_message_id."""
    response = ctx.http.post("/v3/mail/send", json=message_body(ctx, data))
    checked = response.status == 200
    return Result(
        external_id=response.headers.get("x-message-id", ""),
        message="Checked in sandbox mode; nothing was sent." if checked else "",
    )


@batch_action("contact.upsert", "Create or update contacts", Contact, size=30_000, capability=True)
def upsert_contacts(ctx: Context, inputs: Sequence[Contact]) -> list[Outcome]:
    """Create or update marketing contacts by e-mail address; SendGrid works them off within minutes."""
    return put_contacts(ctx, [_contact(ctx, one) for one in inputs])


def _contact(ctx: Context, data: Contact) -> dict[str, Any]:
    contact: dict[str, Any] = {"email": data.email}
    contact |= data.model_dump(include={"first_name", "last_name"}, exclude_defaults=True)
    custom = {name: value for name, value in data.properties.items() if name not in RESERVED}
    for name in ("phone", "company", "job_title"):
        if (field := ctx.settings.get(f"{name}_field")) and getattr(data, name):
            custom[field] = getattr(data, name)
    contact |= {name: value for name, value in data.properties.items() if name in RESERVED}
    return {**contact, "custom_fields": custom} if custom else contact


@batch_action("sendgrid.contact.erase", "Erase recipients for good", EmailAddress, size=5000)
def erase_contacts(ctx: Context, inputs: Sequence[EmailAddress]) -> list[Outcome]:
    """Have SendGrid delete all it keeps about these addresses; up to 5000 at once. No way back."""
    addresses = list(dict.fromkeys(one.email for one in inputs))
    job = str(ctx.http.post("/v3/recipients/erasejob", json={"email_addresses": addresses}).json()["job_id"])
    return [Result(external_id=job, message="SendGrid accepted the erasure.")] * len(inputs)


@batch_action("sendgrid.suppress", "Stop mail to an address", EmailAddress, size=500)
def suppress(ctx: Context, inputs: Sequence[EmailAddress]) -> list[Outcome]:
    """Put addresses on the global unsubscribe list: SendGrid sends them nothing any more."""
    addresses = list(dict.fromkeys(one.email for one in inputs))
    ctx.http.post("/v3/asm/suppressions/global", json={"recipient_emails": addresses})
    return [Result(external_id=one.email) for one in inputs]


@action("sendgrid.unsuppress", "Allow mail to an address again", EmailAddress)
def unsuppress(ctx: Context, data: EmailAddress) -> Result:
    """Take an address off the global unsubscribe list."""
    response = ctx.http.delete(f"/v3/asm/suppressions/global/{quote(data.email, safe='')}", check=False)
    if response.status == 404:
        return Result(external_id=data.email, message="The address was not on the list.")
    ctx.http.classify(response)
    return Result(external_id=data.email)
