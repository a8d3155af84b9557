"""What Salesforce can do: upserts by external ID, in collections."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from integrations.base.capabilities import Company, Contact, Identifier, Input
from integrations.base.provider import Context, Outcome, batch_action
from integrations.salesforce.client import COLLECTION, Row, upsert

KEY = "Interchange_Key__c"
CONTACT = {
    "email": "Email",
    "first_name": "FirstName",
    "last_name": "LastName",
    "phone": "Phone",
    "job_title": "Title",
}
ACCOUNT = {
    "domain": "Website",
    "name": "Name",
    "phone": "Phone",
    "city": "BillingCity",
    "country": "BillingCountry",
    "industry": "Industry",
}
NAME = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"


class RecordInput(Input):
    """A record of any object."""

    object: str = Field(pattern=NAME, description="API name of the object: Lead, Invoice__c.")
    key_field: str = Field(KEY, pattern=NAME, description="External ID field that finds the record.")
    key: Identifier = Field(min_length=1, max_length=255, description="Value of the external ID field.")
    fields: dict[str, Any] = Field(default_factory=dict, description="What to set, by API names of fields.")


@batch_action("contact.upsert", "Create or update contacts", Contact, size=COLLECTION, capability=True)
def upsert_contacts(ctx: Context, inputs: Sequence[Contact]) -> list[Outcome]:
    """Create contacts, or update those with the same key, which is the e-mail address; up to 200 at once."""
    field = _key_field(ctx)
    return upsert(ctx, [Row("Contact", field, one.email.lower(), _fields(one, CONTACT)) for one in inputs])


@batch_action("company.upsert", "Create or update accounts", Company, size=COLLECTION, capability=True)
def upsert_accounts(ctx: Context, inputs: Sequence[Company]) -> list[Outcome]:
    """Create accounts, or update those with the same key, which is the domain; up to 200 at once."""
    field = _key_field(ctx)
    return upsert(ctx, [Row("Account", field, one.domain.lower(), _fields(one, ACCOUNT)) for one in inputs])


@batch_action("salesforce.record.upsert", "Create or update any records", RecordInput, size=COLLECTION)
def upsert_records(ctx: Context, inputs: Sequence[RecordInput]) -> list[Outcome]:
    """Create records of any object, or update those with the same external ID; up to 200 at once."""
    return upsert(ctx, [Row(one.object, one.key_field, one.key, one.fields) for one in inputs])


def _key_field(ctx: Context) -> str:
    return ctx.settings.get("key_field") or KEY


def _fields(data: Contact | Company, names: Mapping[str, str]) -> dict[str, Any]:
    """Return fields of what was given; nothing is sent for what was left out, or has no field there."""
    given = data.model_dump(exclude_defaults=True, exclude={"properties"})
    return {names[name]: value for name, value in given.items() if name in names} | data.properties
