"""What HubSpot can do: upserts in batches, and erasure."""

from collections.abc import Sequence

from pydantic import Field

from integrations.base.capabilities import Company, Contact, Deal, Email, Input
from integrations.base.provider import Context, Outcome, action, batch_action
from integrations.base.results import Result
from integrations.hubspot.client import Row, attach_contacts, objects, properties, upsert

CONTACT = {"first_name": "firstname", "last_name": "lastname", "job_title": "jobtitle"}
DEAL = {
    "name": "dealname",
    "currency": "deal_currency_code",
    "stage": "dealstage",
    "close_date": "closedate",
}


class Person(Input):
    """Somebody whose data is to be erased."""

    email: Email = Field(description="E-mail address of the contact.")


@batch_action("contact.upsert", "Create or update contacts", Contact, size=100, capability=True)
def upsert_contacts(ctx: Context, inputs: Sequence[Contact]) -> list[Outcome]:
    """Create contacts, or update those whose e-mail address HubSpot knows; up to 100 at once."""
    return upsert(ctx, "contacts", [Row(one.email, "email", properties(one, CONTACT)) for one in inputs])


@batch_action("company.upsert", "Create or update companies", Company, size=100, capability=True)
def upsert_companies(ctx: Context, inputs: Sequence[Company]) -> list[Outcome]:
    """Create companies, or update those with the same domain; needs the company key property."""
    key = ctx.settings.get("company_key") or "interchange_key"
    return upsert(ctx, "companies", [Row(one.domain.lower(), key, properties(one, {})) for one in inputs])


@batch_action("deal.upsert", "Create or update deals", Deal, size=100, capability=True)
def upsert_deals(ctx: Context, inputs: Sequence[Deal]) -> list[Outcome]:
    """Create deals, or update those with your key, and attach their contacts."""
    key = ctx.settings.get("deal_key") or "interchange_key"
    hidden = {"external_key", "contact_email"}
    rows = [Row(one.external_key, key, properties(one, DEAL, hidden)) for one in inputs]
    return attach_contacts(ctx, [one.contact_email for one in inputs], upsert(ctx, "deals", rows))


@action("hubspot.contact.erase", "Erase a contact for good (GDPR)", Person)
def erase_contact(ctx: Context, data: Person) -> Result:
    """Delete the contact and all that belongs to it; HubSpot also blocks the address. No way back."""
    ctx.http.post(
        f"{objects(ctx)}/contacts/gdpr-delete", json={"objectId": data.email, "idProperty": "email"}
    )
    return Result(message="HubSpot erased the contact.")
