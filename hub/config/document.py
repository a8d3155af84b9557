"""The configuration document: its form, and how it is read from YAML.

What a file does not mention stays as it is; see ``docs/configuration.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

MAX_BYTES = 5 * 1024 * 1024
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


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganizationEntry(_Entry):
    """The tenant that everything in the file belongs to."""

    slug: Annotated[Slug, StringConstraints(max_length=50)]
    name: Name = ""


class Limits(_Entry):
    """Limits of one integration; what is absent follows the provider's declaration or the default."""

    rate_count: int | None = Field(None, ge=1)
    rate_seconds: int | None = Field(None, ge=1)
    max_in_flight: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1, le=1000)
    quick_tries: int | None = Field(None, ge=1, le=20)
    quick_delay: float | None = Field(None, ge=0)
    schedule: list[Annotated[int, Field(ge=0)]] | None = None
    timeout: float | None = Field(None, gt=0)
    breaker_threshold: int | None = Field(None, ge=1)
    breaker_cooldown: int | None = Field(None, ge=1)


class IntegrationEntry(_Entry):
    """One configured provider. ``credential_env``: secret field → name of an environment variable."""

    slug: Slug
    provider: str
    name: Name = ""
    auth: str = ""
    sandbox: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)
    credential_env: dict[str, EnvName] = Field(default_factory=dict)
    allowed_hosts: list[str] = Field(default_factory=list)
    limits: Limits = Field(default_factory=Limits)


class MappingEntry(_Entry):
    """A field mapping; ``rules`` as the admin's editor keeps them."""

    slug: Slug
    name: Name = ""
    provider: str = ""
    action: str = ""
    rules: list[dict[str, Any]] = Field(default_factory=list)


class EventTypeEntry(_Entry):
    """A registered event type. ``data_schema`` is called ``schema`` in the file."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: str = ""
    on_invalid: Literal["warn", "reject"] = "warn"
    data_schema: dict[str, Any] | None = Field(None, alias="schema")
    example: Any = None


class FallbackEntry(_Entry):
    """Where an event goes when what stands before fails."""

    integration: Slug
    action: str
    mapping: Slug | None = None


class RouteEntry(_Entry):
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
    delay: int = Field(0, ge=0)
    enabled: bool = True
    fallbacks: list[FallbackEntry] = Field(default_factory=list)


class EndpointEntry(_Entry):
    """A webhook endpoint. ``credential_env``: signing secret → name of an environment variable."""

    slug: Slug
    integration: Slug
    name: Name = ""
    enabled: bool = True
    rate_per_minute: int = Field(100, ge=1)
    credential_env: dict[str, EnvName] = Field(default_factory=dict)


class Document(_Entry):
    """A whole file."""

    organization: OrganizationEntry
    integrations: list[IntegrationEntry] = Field(default_factory=list)
    mappings: list[MappingEntry] = Field(default_factory=list)
    event_types: list[EventTypeEntry] = Field(default_factory=list)
    routes: list[RouteEntry] = Field(default_factory=list)
    webhook_endpoints: list[EndpointEntry] = Field(default_factory=list)


SECTIONS = ("integrations", "mappings", "event_types", "routes", "webhook_endpoints")


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
        raise ConfigError([_mistake(entry) for entry in error.errors(include_url=False)]) from None
    if twice := _named_twice(document):
        raise ConfigError(twice)
    return document


def place(*steps: str | int) -> str:
    """Return the place of a value in the file: ``routes[2].integration``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _named_twice(document: Document) -> list[Mistake]:
    found = []
    for section in SECTIONS:
        first: dict[str, int] = {}
        for index, entry in enumerate(getattr(document, section)):
            key = "name" if section == "event_types" else "slug"
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


def _mistake(entry: Any) -> Mistake:
    where, kind, given = place(*entry["loc"]), entry["type"], entry.get("input")
    if kind == "extra_forbidden":
        return Mistake(where, "there is no such field; check the spelling")
    if kind == "missing":
        return Mistake(where, "is needed")
    message = entry["msg"][:1].lower() + entry["msg"][1:]
    return Mistake(where, f"{message}, not {given!r}" if isinstance(given, str | int | float) else message)
