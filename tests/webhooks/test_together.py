"""Calls that come at the same time share a commit; a repetition among them is told from the rest."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connections

from integrations.base.webhooks import Incoming
from tests.webhooks.calls import endpoint_of
from webhooks import store
from webhooks.endpoints import endpoints
from webhooks.models import ReceivedWebhook, WebhookEndpoint

pytestmark = pytest.mark.django_db(transaction=True)
State = ReceivedWebhook.State


def incoming(text: str) -> Incoming:
    return Incoming("POST", "http://localhost/", {"x-text": text}, text.encode(), datetime.now(UTC))


def test_a_repetition_in_a_group_is_kept_as_one_and_holds_up_nobody() -> None:
    endpoint, other = endpoint_of("stripe"), endpoint_of("stripe")
    calls = [(endpoint, "a"), (endpoint, "b"), (endpoint, "b"), (other, "b"), (endpoint, ""), (endpoint, "")]
    start = threading.Barrier(len(calls) * 4)

    def keep(number: int) -> None:
        to, call_id = calls[number % len(calls)]
        start.wait()
        store.keep(to, incoming(call_id or f"without {number}"), call_id, "127.0.0.1")
        connections.close_all()

    with ThreadPoolExecutor(start.parties) as pool:
        list(pool.map(keep, range(start.parties)))
    received = ReceivedWebhook.objects.filter(state=State.RECEIVED)
    named = sorted(received.exclude(call_id=None).values_list("endpoint_id", "call_id"))
    assert named == sorted([(endpoint.pk, "a"), (endpoint.pk, "b"), (other.pk, "b")])
    assert received.filter(call_id=None).count() == 8, "calls without an id are all kept"
    assert ReceivedWebhook.objects.filter(state=State.DUPLICATE).count() == 4 * 4 - 3
    assert all(row.due_at and row.received_at for row in received)


def test_what_changes_at_an_endpoint_holds_at_once_here_and_soon_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = endpoint_of("stripe")
    token = endpoint.path.split("/")[2]

    def found() -> WebhookEndpoint:
        held = endpoints.find(token)
        assert held is not None
        return held

    assert found().enabled
    endpoint.enabled = False
    endpoint.save()
    assert not found().enabled
    endpoint.integration.name = "Renamed"
    endpoint.integration.save()
    assert found().integration.name == "Renamed"
    WebhookEndpoint.objects.update(enabled=True)  # as another process would: no signal here
    now = time.monotonic()
    monkeypatch.setattr("webhooks.endpoints.time.monotonic", lambda: now + 1.1)
    assert found().enabled
    endpoint.delete()
    assert endpoints.find(token) is None
