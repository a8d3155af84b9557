"""Outcomes that the database does not take as they are: no worker gets stuck on one of them."""

from typing import Any

import pytest

from hub.connections.models import Integration, Status
from hub.delivery.dispatch import Dispatcher
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.delivery.ratelimit import RateLimiter
from hub.mapping.models import FieldMapping
from integrations.base import registry
from integrations.base.provider import Context, action
from integrations.base.results import Result
from tests.factories import FieldMappingFactory, IntegrationFactory, QueueItemFactory
from tests.hub.delivery.conftest import Note, make_provider

pytestmark = pytest.mark.django_db(transaction=True)


def provider_that(monkeypatch: pytest.MonkeyPatch, result: Any) -> None:
    """Let the provider ``alpha`` do ``result(ctx)`` for its action."""

    @action("note", "Leave a note", Note)
    def note(ctx: Context, data: Note) -> Result:
        return result(ctx)

    known = {slug: make_provider(slug) for slug in ("alpha", "beta")}
    object.__setattr__(known["alpha"], "actions", (note,))
    monkeypatch.setattr(registry, "providers", lambda: known)


def item(integration: Integration, **more: Any) -> QueueItem:
    return QueueItemFactory(integration=integration, action="note", **more)


def delivered(dispatcher: Dispatcher) -> dict[Any, str]:
    dispatcher.run_until_idle()
    return dict(QueueItem.objects.values_list("pk", "state"))


@pytest.mark.parametrize(
    "result",
    [
        Result(external_id="a\x00b"),
        Result(external_id="\ud800"),
        Result(message="nul \x00 and half a pair \udc00"),
        Result(data={"text": "a\x00b"}),
        Result(data={"text": "\udfff"}),
        Result(data={1: 2**70}),
    ],
    ids=["nul", "surrogate", "message", "nul in data", "surrogate in data", "number"],
)
def test_an_answer_that_no_database_takes_is_a_delivery_all_the_same(dispatcher, monkeypatch, result):
    odd, plain = IntegrationFactory(provider_slug="alpha"), IntegrationFactory(provider_slug="beta")
    provider_that(monkeypatch, lambda ctx: result)
    first = item(odd)
    states = delivered(dispatcher)
    assert states == {first.pk: State.COMPLETED}
    assert IntegrationLog.objects.filter(item_id=first.pk, outcome="ok").count() == 1
    assert plain.logs.count() == 0


def test_an_integration_deleted_while_it_delivers_holds_nobody_up(dispatcher, monkeypatch, door):
    gone, other = IntegrationFactory(provider_slug="alpha"), IntegrationFactory(provider_slug="beta")
    provider_that(monkeypatch, lambda ctx: (Integration.objects.filter(pk=gone.pk).delete(), Result())[1])
    door.answer("POST", "/notes", json={"id": "n-1"})
    item(gone)
    stays = item(other)
    assert delivered(dispatcher) == {stays.pk: State.COMPLETED}


def test_a_mapping_deleted_while_an_item_is_under_way_keeps_no_outcome_from_being_written(
    dispatcher, monkeypatch
):
    integration = IntegrationFactory(provider_slug="alpha")
    mapping = FieldMappingFactory(organization=integration.organization)
    provider_that(monkeypatch, lambda ctx: (FieldMapping.objects.all().delete(), Result())[1])
    row = item(integration, mapping=mapping)
    assert delivered(dispatcher) == {row.pk: State.COMPLETED}


def test_a_fallback_that_was_deleted_is_said_on_the_item(dispatcher, door):
    first = IntegrationFactory(provider_slug="alpha", quick_tries=1)
    second = IntegrationFactory(provider_slug="beta", organization=first.organization)
    targets = [{"integration": str(one.pk), "action": "note", "mapping": None} for one in (first, second)]
    row = item(first, targets=targets)
    second.delete()
    door.answer("POST", "/notes", status=500)
    assert delivered(dispatcher) == {row.pk: State.FAILED}
    row.refresh_from_db()
    assert "fallback" in row.last_error
    assert "deleted" in row.last_error


def test_a_fallback_that_was_deleted_holds_up_nobody_while_the_first_is_held(dispatcher, door):
    first = IntegrationFactory(provider_slug="alpha", status=Status.RECONNECT)
    second = IntegrationFactory(provider_slug="beta", organization=first.organization)
    targets = [{"integration": str(one.pk), "action": "note", "mapping": None} for one in (first, second)]
    waits, flows = item(first, targets=targets), item(IntegrationFactory(provider_slug="beta"))
    second.delete()
    door.answer("POST", "/notes", json={"id": "n-1"})
    assert delivered(dispatcher) == {waits.pk: State.PENDING, flows.pk: State.COMPLETED}


def test_a_provider_whose_code_is_gone_starves_nobody(dispatcher, door):
    odd, plain = IntegrationFactory(provider_slug="vanished"), IntegrationFactory(provider_slug="beta")
    door.answer("POST", "/notes", json={"id": "n-1"})
    held, flows = item(odd), item(plain)
    assert delivered(dispatcher) == {held.pk: State.PENDING, flows.pk: State.COMPLETED}
    odd.refresh_from_db()
    assert odd.status == Status.PAUSED
    assert "vanished" in odd.status_reason


@pytest.mark.parametrize("what", ["give_back", "settle", "update_integration", "extend"])
def test_a_database_that_fails_once_leaves_nothing_behind(monkeypatch, door, what):
    """Nothing may be held for ever by a worker that has forgotten it."""
    from django.db import OperationalError

    from hub.delivery import dispatch, store

    integration = IntegrationFactory(provider_slug="alpha", breaker_threshold=1, rate_count=3, rate_seconds=1)
    door.answer("POST", "/notes", status=500, times=1)
    door.answer("POST", "/notes", json={"id": "n-1"})
    for _ in range(6):
        item(integration)
    place = dispatch if what == "update_integration" else store
    real, failures = getattr(place, what), [1, 1]

    def fails(*args: Any) -> Any:
        if failures:
            failures.pop()
            raise OperationalError("the connection was cut")
        return real(*args)

    monkeypatch.setattr(place, what, fails)
    worker = Dispatcher("w1", threads=2, claim_size=50, lease=60.0, limiter=RateLimiter())
    for _ in range(40):
        try:
            worker.step()
        except OperationalError:
            continue
        worker.bell.wait(0.02)
    worker.shut_down(deadline=2)
    known = {row.pk for row in QueueItem.objects.filter(state=State.PROCESSING)}
    assert known >= set(worker.claims.held), "what the worker still prolongs is what the table says it holds"
    assert not worker.claims.held, "it prolongs nothing that it is not going to send"
