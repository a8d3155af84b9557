"""What providers of one kind have in common: one typed input per capability.

An action whose ``capability`` is true takes the model of its name here, so that a route can fall
back from one provider to another without a second mapping. The field descriptions are what the
mapping editor shows.
"""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

#: Bytes of all attachments of one message together, decoded.
MAX_ATTACHMENTS = 5 * 1024 * 1024


def _email(value: str) -> str:
    value = value.strip()
    local, at, domain = value.rpartition("@")
    bad = any(character.isspace() or character in '<>,;"' for character in value)
    if not at or not local or bad or "." not in domain.strip(".") or domain.startswith("."):
        raise ValueError(f"“{value}” is not an e-mail address; it looks like ada@example.com")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("this must be one line, without line breaks")
    return value


def _recipient(value: Any) -> Any:
    """Read ``Ada Lovelace <ada@example.com>`` and plain addresses as well as objects."""
    if not isinstance(value, str):
        return value
    name, bracket, rest = value.rpartition("<")
    if bracket and rest.rstrip().endswith(">"):
        return {"email": rest.rstrip()[:-1], "name": name.strip().strip('"')}
    return {"email": value}


def _recipients(value: Any) -> Any:
    """A single recipient counts as a list of one; commas part several."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, dict) else value


Email = Annotated[str, AfterValidator(_email)]
OneLine = Annotated[str, AfterValidator(_one_line)]
#: Numbers become text where text is wanted: identifiers come as numbers from many applications.
Identifier = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) in (int, float) else v)]


class Input(BaseModel):
    """What every action's input has in common: an unknown field is an error, not silently lost."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, validate_by_name=True)


class Address(Input):
    """An e-mail address, with the name that mail programs show."""

    email: Email = Field(description="The address: ada@example.com.")
    name: OneLine = Field("", max_length=200, description="The name that is shown: Ada Lovelace.")

    def __str__(self) -> str:
        escaped = self.name.replace("\\", "").replace('"', "")
        return f'"{escaped}" <{self.email}>' if escaped else self.email


Recipient = Annotated[Address, BeforeValidator(_recipient)]
Recipients = Annotated[list[Recipient], BeforeValidator(_recipients)]


class Attachment(Input):
    """A small file sent along."""

    filename: OneLine = Field(min_length=1, max_length=200, description="Name of the file: invoice.pdf.")
    content: str = Field(description="The file's bytes in base64.")
    content_type: OneLine = Field("application/octet-stream", description="Media type: application/pdf.")

    @model_validator(mode="after")
    def _is_base64(self) -> "Attachment":
        try:
            base64.b64decode(self.content, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"the content of {self.filename} is not base64") from None
        return self


class EmailMessage(Input):
    """``email.send``: one message. Needs a text, an HTML text or a template."""

    to: Recipients = Field(
        min_length=1,
        max_length=50,
        description="Recipients: one address, several parted by commas, or a list.",
    )
    cc: Recipients = Field(default_factory=list, max_length=50, description="Recipients of a copy.")
    bcc: Recipients = Field(default_factory=list, max_length=50, description="Recipients of a hidden copy.")
    from_: Recipient | None = Field(
        None, alias="from", description="Sender; left out, the integration's own sender is used."
    )
    reply_to: Recipient | None = Field(None, description="Where answers go, if not to the sender.")
    subject: OneLine = Field("", max_length=998, description="Subject line; a template may bring its own.")
    text: str = Field("", description="The message as plain text.")
    html: str = Field("", description="The message as HTML.")
    template_id: Identifier = Field(
        "", max_length=200, description="Template at the provider, in place of texts."
    )
    template_data: dict[str, Any] = Field(
        default_factory=dict, description="Values that the template fills in, by name."
    )
    categories: list[Identifier] = Field(
        default_factory=list, max_length=10, description="Labels that the provider's statistics group by."
    )
    headers: dict[str, OneLine] = Field(default_factory=dict, description="Further message headers, by name.")
    attachments: list[Attachment] = Field(
        default_factory=list, max_length=10, description="Small files, 5 MiB together."
    )

    @model_validator(mode="after")
    def _complete(self) -> "EmailMessage":
        if not (self.text or self.html or self.template_id):
            raise ValueError("the message is empty: give text, html or template_id")
        if not self.template_id and not self.subject:
            raise ValueError("a subject is needed, unless a template brings it")
        if sum(len(one.content) * 3 // 4 for one in self.attachments) > MAX_ATTACHMENTS:
            raise ValueError("the attachments are larger than 5 MiB together")
        return self


class Contact(Input):
    """``contact.upsert``: a person, found again by e-mail address."""

    email: Email = Field(description="E-mail address; the contact is found by it.")
    first_name: str = Field("", max_length=200, description="Given name.")
    last_name: str = Field("", max_length=200, description="Family name.")
    phone: Identifier = Field("", max_length=60, description="Telephone number, best as +44 20 7946 0000.")
    company: str = Field("", max_length=200, description="Name of the company the person works for.")
    job_title: str = Field("", max_length=200, description="Position in the company.")
    properties: dict[str, Any] = Field(
        default_factory=dict, description="Further fields, by the provider's own names."
    )


class Company(Input):
    """``company.upsert``: an organisation, found again by its domain."""

    domain: OneLine = Field(
        min_length=1, max_length=253, description="Web domain; the company is found by it."
    )
    name: str = Field("", max_length=200, description="Name of the company.")
    phone: Identifier = Field("", max_length=60, description="Telephone number.")
    city: str = Field("", max_length=200, description="City.")
    country: str = Field("", max_length=100, description="Country.")
    industry: str = Field("", max_length=200, description="Line of business, in the provider's words.")
    properties: dict[str, Any] = Field(
        default_factory=dict, description="Further fields, by the provider's own names."
    )


class Deal(Input):
    """``deal.upsert``: a sale under way, found again by your own key."""

    external_key: Identifier = Field(
        min_length=1, max_length=200, description="Your own id of the deal; it is found by it."
    )
    name: str = Field(min_length=1, max_length=300, description="Name of the deal.")
    amount: float | None = Field(None, description="Value in major units: 1250.50.")
    currency: str = Field("", pattern="^([A-Z]{3})?$", description="Currency, ISO 4217: EUR.")
    stage: str = Field("", max_length=200, description="Stage, by the provider's name for it.")
    pipeline: str = Field("", max_length=200, description="Pipeline, by the provider's name for it.")
    close_date: str = Field("", description="Expected or actual end, ISO 8601: 2026-12-31.")
    contact_email: Email | None = Field(None, description="E-mail address of the contact it belongs to.")
    properties: dict[str, Any] = Field(
        default_factory=dict, description="Further fields, by the provider's own names."
    )


class Message(Input):
    """``message.post``: something said in a channel."""

    text: str = Field(
        min_length=1, max_length=40000, description="What is said; the provider's marks for bold."
    )
    channel: Identifier = Field("", max_length=200, description="Channel; left out, the integration's own.")
    title: OneLine = Field("", max_length=300, description="A line above the text.")
    thread: Identifier = Field("", max_length=200, description="Id of the message that is answered.")
    link: str = Field("", max_length=2000, description="Web address that is put below the text.")
    blocks: list[dict[str, Any]] = Field(
        default_factory=list, max_length=50, description="Layout in the provider's own form, if wanted."
    )


class IncidentTrigger(Input):
    """``incident.trigger``: something is broken and somebody should look."""

    summary: OneLine = Field(min_length=1, max_length=1024, description="What happened, in one line.")
    source: OneLine = Field(
        "interchange", min_length=1, max_length=255, description="The system it happened in."
    )
    severity: Literal["critical", "error", "warning", "info"] = Field(
        "error", description="critical, error, warning or info."
    )
    dedup_key: Identifier = Field(
        "",
        max_length=255,
        description="Key that joins further triggers to one incident; else the queue item's.",
    )
    component: str = Field("", max_length=255, description="Part of the source: database.")
    group: str = Field("", max_length=255, description="Group of components: production.")
    details: dict[str, Any] = Field(default_factory=dict, description="Anything that helps, by name.")
    link: str = Field("", max_length=2000, description="Web address with more about it.")


class IncidentUpdate(Input):
    """``incident.acknowledge`` and ``incident.resolve``: about an incident that was triggered."""

    dedup_key: Identifier = Field(
        min_length=1, max_length=255, description="The key that the incident was triggered with."
    )
    summary: OneLine = Field("", max_length=1024, description="Why, in one line.")
    details: dict[str, Any] = Field(default_factory=dict, description="Anything that helps, by name.")


class Customer(Input):
    """``customer.upsert``: somebody who pays, found again by your own id or by e-mail address."""

    email: Email = Field(description="E-mail address.")
    external_id: Identifier = Field(
        "", max_length=200, description="Your own id of the customer; found by it if given."
    )
    name: str = Field("", max_length=256, description="Full name or company.")
    phone: Identifier = Field("", max_length=60, description="Telephone number.")
    description: str = Field("", max_length=500, description="A note that your staff sees.")
    metadata: dict[str, Identifier] = Field(
        default_factory=dict, max_length=50, description="Your own values, by name."
    )


#: Capability → the input model that every action of that name takes.
CAPABILITIES: dict[str, type[Input]] = {
    "email.send": EmailMessage,
    "contact.upsert": Contact,
    "company.upsert": Company,
    "deal.upsert": Deal,
    "message.post": Message,
    "incident.trigger": IncidentTrigger,
    "incident.acknowledge": IncidentUpdate,
    "incident.resolve": IncidentUpdate,
    "customer.upsert": Customer,
}
