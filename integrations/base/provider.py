"""What a provider declares. A provider is data: one ``Provider`` value in its ``provider.py``.

The connect form, its validation and masking, the connection test, the documentation page, the
sandbox and the contract tests all come from this declaration.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jmespath
from pydantic import BaseModel

import integrations
from hub.lib import outbound
from integrations.base.auth import AuthScheme
from integrations.base.errors import IntegrationError
from integrations.base.fields import Field
from integrations.base.http import Http
from integrations.base.limits import LimitHeaders
from integrations.base.responses import classify_by_status
from integrations.base.results import Page, Result
from integrations.base.webhooks import Webhook

CATEGORIES = {
    "automation": "Automation",
    "crm": "CRM",
    "payments": "Payments",
    "email": "E-mail",
    "messaging": "Messaging",
    "incidents": "Incidents",
    "healthcare": "Healthcare",
    "learning": "Learning",
    "accounting": "Accounting",
    "analytics": "Analytics",
    "monitoring": "Monitoring",
    "bi": "Business intelligence",
    "llm": "Language models",
    "storage": "Storage and media",
    "social": "Social",
    "streams": "Streams",
    "search": "Search",
}


@dataclass(frozen=True, slots=True)
class Context:
    """What an action gets. It never sees the database, Celery, retries or logs.

    ``idempotency_key`` is the same on every attempt of one queue item.
    """

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    http: Http = field(repr=False)
    idempotency_key: str
    now: datetime
    sandbox: bool = False


#: Result per input of a batch, in order; an error in place of a Result rejects that row alone.
Outcome = Result | IntegrationError


@dataclass(frozen=True, slots=True)
class Action:
    """Something a provider can do, with a typed input.

    ``run`` takes one input. Where the provider has a batch endpoint, ``run_many`` takes up to
    ``batch_size`` inputs and gives one outcome each, and ``run`` is made from it.
    """

    name: str
    label: str
    input: type[BaseModel]
    run: Callable[[Context, Any], Result]
    help: str = ""
    capability: bool = False
    run_many: Callable[[Context, Sequence[Any]], list[Outcome]] | None = None
    batch_size: int = 1
    #: Without a mapping it takes the whole event (id, type, subject, source, time, data), not its data.
    whole_event: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """Something that can be read page by page: ``read(ctx, cursor, since)`` gives a Page.

    ``deleted`` and ``modified`` (JMESPath over a row) say whether it was deleted there, and when it was
    changed. ``told_by`` and ``gone_by`` are the types of webhooks (``hubspot.contact.*``) that tell of a
    change, and of a deletion of the object that is their subject.
    """

    name: str
    label: str
    read: Callable[[Context, str | None, datetime | None], Page]
    page_size: int = 100
    deleted: str = ""
    modified: str = ""
    told_by: tuple[str, ...] = ()
    gone_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """One harmless request that proves address and credential, as data.

    ``ok_status`` are the statuses that prove it; ``ok_body`` must stand in the answer if given;
    ``account`` (JMESPath) names the connected account; ``identity`` (JMESPath) is its id at the provider,
    by which another account is told; ``hints`` says per status what to do.
    """

    method: str = "GET"
    path: str = "/"
    host: str = "default"
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ok_status: tuple[int, ...] = (200,)
    ok_body: str = ""
    account: str = ""
    identity: str = ""
    hints: Mapping[int, str] = field(default_factory=dict)


#: The test as data, or, where data will not do, as a function that raises an IntegrationError.
ConnectionProof = ConnectionTest | Callable[[Context], Result]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``count`` requests per ``seconds``."""

    count: int
    seconds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Everything the hub knows about one external system."""

    slug: str
    name: str
    category: str
    summary: str
    docs_url: str
    #: host name → URL; ``{setting}`` placeholders are filled from the integration's settings.
    base_urls: Mapping[str, str]
    auth: tuple[AuthScheme, ...]
    test: "ConnectionProof | Mapping[str, ConnectionProof]"
    fields: tuple[Field, ...] = ()
    actions: tuple[Action, ...] = ()
    pulls: tuple[Pull, ...] = ()
    rate_limit: RateLimit = RateLimit(10, 1)
    #: How answers tell what is left of the provider's limits; Retry-After is read everywhere.
    limit_headers: tuple[LimitHeaders, ...] = ()
    #: Deliveries under way at once, over all worker processes together; a sync has as many of its own.
    max_in_flight: int = 8
    timeout: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict)
    classify: Callable[[outbound.Response], None] = classify_by_status
    webhook: Webhook | None = None
    colour: str = "#5b6472"
    #: The part of the hub that makes and keeps its integrations (``subscription``): they have their page
    #: there (the admin's ``<managed_by>_of``, by the integration's id), and no catalogue offers it.
    managed_by: str = ""
    #: Where machine-readable descriptions name the provider otherwise than its slug.
    contract: str = ""
    #: Path pattern (``/services/*``) → why those descriptions do not hold such requests.
    undescribed: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The provider's folder: instructions.md and fixtures/ are there."""
        roots = [Path(root) for root in integrations.__path__]
        return next((root / self.slug for root in roots if (root / self.slug).is_dir()), roots[0] / self.slug)

    @property
    def instructions(self) -> str:
        """Markdown that tells an admin how to get the credentials."""
        return (self.folder / "instructions.md").read_text(encoding="utf-8")

    def scheme(self, key: str = "") -> AuthScheme:
        """Return the scheme with ``key``, or the first; raise KeyError if there is none."""
        if not key:
            return self.auth[0]
        return next((scheme for scheme in self.auth if scheme.key == key), None) or _missing(
            key, [scheme.key for scheme in self.auth]
        )

    def fields_for(self, auth_key: str = "") -> tuple[Field, ...]:
        """Fields of the connect form under one scheme, the scheme's own first."""
        return (*self.scheme(auth_key).fields, *self.fields)

    def action(self, name: str) -> Action:
        """Return the action with ``name``; raise KeyError naming those there are."""
        found = next((action for action in self.actions if action.name == name), None)
        return found or _missing(name, [action.name for action in self.actions])

    def connection_test(self, auth_key: str = "") -> "ConnectionProof":
        """Return the test for one scheme."""
        if isinstance(self.test, Mapping):
            return self.test[self.scheme(auth_key).key]
        return self.test

    def urls(self, settings: Mapping[str, Any]) -> dict[str, str]:
        """Return the base URLs with the settings filled in."""
        defaults = {f.name: f.default for scheme in self.auth for f in scheme.fields if not f.secret}
        defaults |= {f.name: f.default for f in self.fields if not f.secret}
        values = {**defaults, **settings}
        return {host: url.format_map(values) for host, url in self.base_urls.items()}


def _missing(name: str, known: list[str]) -> Any:
    raise KeyError(f"There is no {name!r} here; there are: {', '.join(known)}.")


def action(
    name: str,
    label: str,
    input: type[BaseModel],
    *,
    help: str = "",
    capability: bool = False,
    whole_event: bool = False,
) -> Callable[[Callable[[Context, Any], Result]], Action]:
    """Make an Action of a function ``(ctx, data) -> Result``."""

    def declare(run: Callable[[Context, Any], Result]) -> Action:
        text = help or (run.__doc__ or "").strip()
        return Action(name, label, input, run, text, capability, whole_event=whole_event)

    return declare


def batch_action(
    name: str,
    label: str,
    input: type[BaseModel],
    *,
    size: int,
    help: str = "",
    capability: bool = False,
) -> Callable[[Callable[[Context, Sequence[Any]], list[Outcome]]], Action]:
    """Make an Action of a function ``(ctx, inputs) -> outcomes`` over a batch endpoint."""

    def declare(run_many: Callable[[Context, Sequence[Any]], list[Outcome]]) -> Action:
        def run(ctx: Context, data: Any) -> Result:
            outcome = run_many(ctx, [data])[0]
            if isinstance(outcome, IntegrationError):
                raise outcome
            return outcome

        text = help or (run_many.__doc__ or "").strip()
        return Action(name, label, input, run, text, capability, run_many, size)

    return declare


def search(expression: str, data: Any) -> Any:
    """JMESPath over an answer; None where nothing fits."""
    return jmespath.search(expression, data) if expression else None
