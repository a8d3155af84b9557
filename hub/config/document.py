"""The configuration document: its form, and how it is read from YAML.

What a file does not mention stays as it is; see ``docs/configuration.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from integrations.base.inputs import sentence

MAX_BYTES = 5 * 1024 * 1024
#: What a column of the database holds at most.
MOST = 2**31 - 1
Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]+$", min_length=1, max_length=60)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
Priority = Literal["low", "normal", "high", "urgent"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong, and where: ``routes[2].integration``."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(Exception):
    """The document cannot be used; ``mistakes`` names every reason."""

    def __init__(self, mistakes: Sequence[Mistake]):
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = list(mistakes)


class Entry(BaseModel):
    """Base of all that a document consists of: a field that does not exist is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class OrganizationEntry(Entry):
    """The tenant that everything in the file belongs to."""

    slug: Annotated[Slug, StringConstraints(max_length=50)]
    name: Name = ""


class Limits(Entry):
    """Limits of one integration; what is absent follows the provider's declaration or the default."""

    rate_count: int | None = Field(None, ge=1, le=MOST)
    rate_seconds: int | None = Field(None, ge=1, le=MOST)
    max_in_flight: int | None = Field(None, ge=1, le=MOST)
    batch_size: int | None = Field(None, ge=1, le=1000)
    quick_tries: int | None = Field(None, ge=1, le=20)
    quick_delay: float | None = Field(None, ge=0, le=3600)
    schedule: list[Annotated[int, Field(ge=0, le=MOST)]] | None = Field(None, max_length=100)
    timeout: float | None = Field(None, gt=0, le=24 * 3600)
    breaker_threshold: int | None = Field(None, ge=1, le=MOST)
    breaker_cooldown: int | None = Field(None, ge=1, le=MOST)


class IntegrationBase(Entry):
    """One configured provider, without its secrets."""

    slug: Slug
    provider: str
    name: Name = ""
    auth: str = ""
    sandbox: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)
    allowed_hosts: list[str] = Field(default_factory=list)
    limits: Limits = Field(default_factory=Limits)


class IntegrationEntry(IntegrationBase):
    """One configured provider. ``credential_env``: secret field → name of an environment variable."""

    credential_env: dict[str, EnvName] = Field(default_factory=dict)


class MappingEntry(Entry):
    """A field mapping; ``rules`` as the admin's editor keeps them."""

    slug: Slug
    name: Name = ""
    provider: str = ""
    action: str = ""
    rules: list[dict[str, Any]] = Field(default_factory=list)


class EventTypeEntry(Entry):
    """A registered event type. ``data_schema`` is called ``schema`` in the file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_by_name=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: str = ""
    on_invalid: Literal["warn", "reject"] = "warn"
    data_schema: dict[str, Any] | None = Field(None, alias="schema")
    example: Any = None


class FallbackEntry(Entry):
    """Where an event goes when what stands before fails."""

    integration: Slug
    action: str
    mapping: Slug | None = None


class RouteEntry(Entry):
    """Which events go where."""

    slug: Slug
    events: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    integration: Slug
    action: str
    name: Name = ""
    mapping: Slug | None = None
    filter: Annotated[str, StringConstraints(max_length=1000)] = ""
    priority: Priority = "normal"
    purpose: Annotated[str, StringConstraints(max_length=60)] = ""
    delay: int = Field(0, ge=0, le=MOST)
    ordered: bool = False
    enabled: bool = True
    fallbacks: list[FallbackEntry] = Field(default_factory=list)


class EndpointBase(Entry):
    """A webhook endpoint, without its secrets."""

    slug: Slug
    integration: Slug
    name: Name = ""
    enabled: bool = True
    rate_per_minute: int = Field(100, ge=1, le=MOST)


class EndpointEntry(EndpointBase):
    """A webhook endpoint. ``credential_env``: signing secret → name of an environment variable."""

    credential_env: dict[str, EnvName] = Field(default_factory=dict)


class RecordTypeEntry(Entry):
    """A kind of records. ``data_schema`` is called ``schema`` in the file."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    name: Slug
    label: Annotated[str, StringConstraints(max_length=120)] = ""
    key_field: Annotated[str, StringConstraints(min_length=1, max_length=120)] = "id"
    subject_field: Annotated[str, StringConstraints(max_length=120)] = ""
    data_schema: dict[str, Any] = Field(default_factory=dict, alias="schema")


class SyncEntry(Entry):
    """What is kept in step: records of a type and an integration, in one direction."""

    slug: Slug
    type: Slug
    integration: Slug
    direction: Literal["push", "pull"]
    action: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    name: Name = ""
    mapping: Slug | None = None
    schedule: Annotated[str, StringConstraints(max_length=100)] = ""
    time_zone: Annotated[str, StringConstraints(max_length=60)] = "UTC"
    enabled: bool = True
    delete_policy: Literal["keep", "archive", "delete"] = "keep"
    delete_action: str = ""
    delete_mapping: Slug | None = None
    wins: Literal["provider", "hub", "newest", "ask"] = "provider"
    field_wins: dict[str, Literal["provider", "hub", "newest", "ask"]] = Field(default_factory=dict)
    take_deletions: bool = True
    on_webhook: bool = True
    id_path: str = "id"
    deleted_path: str = ""
    modified_path: str = ""


class Document(Entry):
    """A whole file."""

    organization: OrganizationEntry
    integrations: list[IntegrationEntry] = Field(default_factory=list)
    mappings: list[MappingEntry] = Field(default_factory=list)
    event_types: list[EventTypeEntry] = Field(default_factory=list)
    routes: list[RouteEntry] = Field(default_factory=list)
    webhook_endpoints: list[EndpointEntry] = Field(default_factory=list)
    record_types: list[RecordTypeEntry] = Field(default_factory=list)
    syncs: list[SyncEntry] = Field(default_factory=list)


SECTIONS = (
    *("integrations", "mappings", "event_types", "routes", "webhook_endpoints"),
    *("record_types", "syncs"),
)
#: Sections whose entries are known by their name; those of the others have a slug.
NAMED = ("event_types", "record_types")


def read_document(text: str) -> Document:
    """Return the document that YAML ``text`` describes; raise ConfigError naming every mistake."""
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError([Mistake("", f"the file may be {MAX_BYTES // 1024**2} MiB large, not more")])
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([_yaml_mistake(error)]) from None
    if not isinstance(data, dict):
        raise ConfigError([Mistake("", "the file must hold an object that begins with 'organization:'")])
    try:
        document = Document.model_validate(data)
    except ValidationError as error:
        raise ConfigError([field_mistake(entry) for entry in error.errors(include_url=False)]) from None
    if twice := named_twice(document):
        raise ConfigError(twice)
    return document


def place(*steps: str | int) -> str:
    """Return the place of a value in the file: ``routes[2].integration``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def named_twice(document: Document) -> list[Mistake]:
    """Return a mistake for each name that a section uses more than once."""
    found = []
    for section in SECTIONS:
        first: dict[str, int] = {}
        for index, entry in enumerate(getattr(document, section)):
            key = "name" if section in NAMED else "slug"
            value = getattr(entry, key)
            if value in first:
                other = place(section, first[value])
                found.append(Mistake(place(section, index, key), f"'{value}' is used by {other} already"))
            first.setdefault(value, index)
    return found


def _yaml_mistake(error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return Mistake(where, f"this is no valid YAML: {getattr(error, 'problem', None) or 'unreadable'}")


def field_mistake(entry: Any) -> Mistake:
    """Return one of pydantic's errors as a mistake in plain words."""
    where, kind, given = place(*entry["loc"]), entry["type"], entry.get("input")
    if kind == "extra_forbidden":
        return Mistake(where, "there is no such field; check the spelling")
    if kind == "missing":
        return Mistake(where, "is needed")
    message = sentence(entry)
    return Mistake(where, f"{message} (got {given!r})" if isinstance(given, str | int | float) else message)
