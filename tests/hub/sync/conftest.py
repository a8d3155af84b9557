"""A provider with a batch endpoint and pages to read, held in memory, and syncs with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from hub.sync.models import Direction, RecordType, Sync
from integrations.base import registry
from integrations.base.auth import AuthScheme
from integrations.base.errors import IntegrationError, PermanentError, Rejected
from integrations.base.provider import (
    ConnectionTest,
    Context,
    Outcome,
    Provider,
    Pull,
    RateLimit,
    batch_action,
)
from integrations.base.provider import action as declare_action
from integrations.base.results import Page, Result
from tests.conftest import Door
from tests.factories import IntegrationFactory, RecordTypeFactory, SyncFactory


class Person(BaseModel):
    """What the provider takes."""

    id: str
    name: str = ""


@dataclass
class Crm:
    """The other side. ``fails`` are raised by the next calls; ``bad`` names are refused."""

    people: dict[str, str] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    fails: list[IntegrationError] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    asked: list[tuple[str | None, datetime | None]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def upsert(self, ctx: Context, people: Sequence[Person]) -> list[Outcome]:
        ctx.http.post("/people", json=[person.id for person in people])
        self.during()
        self.batches.append([person.id for person in people])
        self.keys.append(ctx.idempotency_key)
        if self.fails:
            raise self.fails.pop(0)
        if any(person.name in self.whole for person in people):
            raise PermanentError("One of these is wrong.", status=400)
        return [self._one(person) for person in people]

    def _one(self, person: Person) -> Outcome:
        if person.name in self.bad:
            return Rejected("The name is refused.", fields={"name": "not a name"})
        self.people[person.id] = person.name
        return Result(external_id=f"crm-{person.id}")

    def remove(self, ctx: Context, person: Person) -> Result:
        ctx.http.delete(f"/people/{person.id}")
        self.removed.append(person.id)
        return Result()

    def read(self, ctx: Context, cursor: str | None, since: datetime | None) -> Page:
        self.asked.append((cursor, since))
        if self.fails:
            raise self.fails.pop(0)
        place = int(cursor or 0)
        following = str(place + 1) if place + 1 < len(self.pages) else None
        return Page(self.pages[place] if self.pages else [], following)

    def provider(self) -> Provider:
        return Provider(
            slug="crm",
            name="CRM",
            category="crm",
            summary="For tests.",
            docs_url="https://example.com",
            base_urls={"default": "http://crm.test"},
            auth=(AuthScheme(),),
            test=ConnectionTest(path="/"),
            actions=(
                batch_action("upsert", "Upsert people", Person, size=3)(self.upsert),
                declare_action("remove", "Remove a person", Person)(self.remove),
            ),
            pulls=(Pull("people", "People", self.read),),
            rate_limit=RateLimit(100_000, 1),
            max_in_flight=1,
        )


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch, door: Door) -> Crm:
    made = Crm()
    door.answer("*", lambda sent: sent.path.startswith("/people"))
    known = {"crm": made.provider()}
    monkeypatch.setattr(registry, "providers", lambda: known)
    return made


@pytest.fixture
def customers(crm: Crm, db: Any) -> RecordType:
    return RecordTypeFactory(name="customer", subject_field="name")


@pytest.fixture
def push(customers: RecordType) -> Sync:
    integration = IntegrationFactory(organization=customers.organization, provider_slug="crm", quick_delay=0)
    return SyncFactory(type=customers, integration=integration, direction=Direction.PUSH, action="upsert")


@pytest.fixture
def pull(push: Sync) -> Sync:
    return SyncFactory(
        type=push.type, integration=push.integration, direction=Direction.PULL, action="people"
    )
