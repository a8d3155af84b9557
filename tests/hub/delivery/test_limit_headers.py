"""A provider that says its limit is used up is given the time it asks for, like one with Retry-After."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.connections.models import Circuit
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from integrations.base import registry
from integrations.base.limits import LimitHeaders
from tests.factories import IntegrationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher

pytestmark = pytest.mark.django_db(transaction=True)

SPENT = {"X-Left": "0", "X-Reset": "40"}


@pytest.fixture(autouse=True)
def declared(testbeds, monkeypatch: pytest.MonkeyPatch):
    """``alpha`` tells of its limit by headers."""
    known = registry.providers()
    told = replace(known["alpha"], limit_headers=(LimitHeaders("X-Left", "X-Reset"),))
    monkeypatch.setattr(registry, "providers", lambda: known | {"alpha": told})


def items(integration, count: int) -> list[QueueItem]:
    return [QueueItemFactory(integration=integration, action="note") for _ in range(count)]


def alpha():
    return IntegrationFactory(provider_slug="alpha", max_in_flight=1)


def states() -> list[str]:
    return sorted(QueueItem.objects.values_list("state", flat=True))


def test_after_the_last_free_request_the_rest_waits_unburned(door):
    door.answer("POST", "/notes", json={"id": 1}, headers=SPENT)
    integration = alpha()
    items(integration, 5)
    dispatcher = make_dispatcher(threads=1)

    dispatcher.run_until_idle()

    assert states() == ["completed", *["pending"] * 4]
    assert sum(QueueItem.objects.values_list("attempts", flat=True)) == 1
    integration.refresh_from_db()
    left = (integration.blocked_until - timezone.now()).total_seconds()
    assert 35 < left <= 40
    assert integration.circuit == Circuit.CLOSED
    assert "limit is used up" in IntegrationLog.objects.get(kind=LogKind.DELIVERY).message
    dispatcher.shut_down(2)


def test_they_go_on_when_the_time_is_over(door):
    door.answer("POST", "/notes", json={"id": 1}, headers=SPENT, times=1)
    door.answer("POST", "/notes", json={"id": 2}, headers={"X-Left": "100", "X-Reset": "40"})
    integration = alpha()
    items(integration, 3)
    dispatcher = make_dispatcher(threads=1)
    dispatcher.run_until_idle()
    past = timezone.now() - timedelta(seconds=1)
    type(integration).objects.filter(pk=integration.pk).update(blocked_until=past)

    dispatcher.run_until_idle()

    assert states() == ["completed"] * 3
    dispatcher.shut_down(2)


def test_a_refusal_without_retry_after_waits_as_its_headers_say(door):
    door.answer("POST", "/notes", 429, headers=SPENT)
    integration = alpha()
    [item] = items(integration, 1)
    dispatcher = make_dispatcher(threads=1)

    dispatcher.run_until_idle()

    item.refresh_from_db()
    assert (item.state, item.tries) == (State.PENDING, 0)
    assert 35 < (item.due_at - timezone.now()).total_seconds() <= 40
    dispatcher.shut_down(2)
