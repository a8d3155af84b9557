"""A provider of the tests' own, and a worker's dispatcher to drive by hand."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from hub.delivery.dispatch import Dispatcher
from hub.delivery.ratelimit import RateLimiter
from integrations.base import registry
from integrations.base.auth import AuthScheme
from integrations.base.provider import ConnectionTest, Context, Provider, RateLimit, action
from integrations.base.results import Result


class Note(BaseModel):
    """Whatever the event holds."""

    text: str = "hello"


@action("note", "Leave a note", Note)
def note(ctx: Context, data: Note) -> Result:
    """Post the note with its idempotency key."""
    answer = ctx.http.post("/notes", json={"text": data.text, "key": ctx.idempotency_key})
    return Result(external_id=str(answer.json().get("id", "")), data={"taken": True})


def make_provider(slug: str) -> Provider:
    return Provider(
        slug=slug,
        name=slug.title(),
        category="automation",
        summary="For tests.",
        docs_url="https://example.com",
        base_urls={"default": f"http://{slug}.test"},
        auth=(AuthScheme(),),
        test=ConnectionTest(path="/"),
        actions=(note,),
        rate_limit=RateLimit(10_000, 1),
    )


@pytest.fixture(autouse=True)
def testbeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two providers, ``alpha`` and ``beta``, instead of the real ones."""
    known = {slug: make_provider(slug) for slug in ("alpha", "beta")}
    monkeypatch.setattr(registry, "providers", lambda: known)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    """A dispatcher with four threads; drive it with ``run_until_idle``."""
    made = make_dispatcher()
    yield made
    made.shut_down(deadline=2)


def make_dispatcher(owner: str = "worker-1", **options: Any) -> Dispatcher:
    values = {"threads": 4, "claim_size": 50, "lease": 60.0, "limiter": RateLimiter()}
    return Dispatcher(owner, **{**values, **options})
