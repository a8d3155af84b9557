"""Idempotency-Key: done once, answered again."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from hub.api import idempotency, queue
from hub.api.models import IdempotentCall
from hub.delivery.models import QueueItem, State
from hub.events.models import Event
from hub.mapping.models import FieldMapping
from tests.factories import OrganizationFactory, QueueItemFactory
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check

pytestmark = pytest.mark.django_db
MAPPING = {"slug": "contacts", "name": "Contacts"}


def send(api: API, data: Any = MAPPING, key: str = "key-1", path: str = "/api/mappings") -> Any:
    return api.post(path, data, Idempotency_Key=key)


def test_the_same_call_is_done_once_and_answered_again(api: API) -> None:
    first, second = send(api), send(api)

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["Location"] == "/api/mappings/contacts"
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert FieldMapping.objects.count() == 1


def test_another_call_with_the_key_is_refused(api: API) -> None:
    send(api)

    check(send(api, {**MAPPING, "name": "Other"}), 422)
    check(send(api, {"items": [str(QueueItemFactory().pk)]}, path="/api/queue/retry"), 422)


def test_a_call_under_way_is_a_conflict_until_it_was_cut_off(api: API) -> None:
    send(api)
    row = IdempotentCall.objects.get()
    FieldMapping.objects.all().delete()
    row.answer = None
    row.save()

    assert check(send(api), 409)
    IdempotentCall.objects.update(started_at=timezone.now() - idempotency.LONGEST_CALL - timedelta(seconds=1))
    assert send(api).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_calls_at_the_same_moment_one_is_done(api: API) -> None:
    together = threading.Barrier(6, timeout=60)

    def call(_: int) -> Any:
        try:
            together.wait()
            return send(api)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(6)))

    assert FieldMapping.objects.count() == 1
    done = [answer for answer in answers if answer.status_code == 201]
    assert len([answer for answer in done if "Idempotency-Replayed" not in answer.headers]) == 1
    assert len({answer.content for answer in done}) == 1
    for late in answers:
        if late not in done:
            assert check(late, 409)
            assert late.headers["Retry-After"] == "1"


def test_a_refused_call_may_be_mended_under_its_key(api: API) -> None:
    check(send(api, {"slug": "contacts", "name": 5}), 400)

    assert send(api).status_code == 201


def test_what_failed_is_neither_done_nor_remembered(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    item = QueueItemFactory(integration__organization=api.organization, state=State.FAILED)
    path = f"/api/queue/{item.pk}/retry"

    def broken(row: Any) -> None:
        raise RuntimeError("after it was done")

    monkeypatch.setattr(queue, "item_facts", broken)
    check(send(api, None, path=path), 500)
    assert QueueItem.objects.get().state == State.FAILED
    assert not IdempotentCall.objects.exists()


def test_keys_are_an_organizations_own(api: API) -> None:
    send(api)

    assert "Idempotency-Replayed" not in send(API(OrganizationFactory())).headers


def test_a_batch_of_events_takes_the_key_for_each(api: API) -> None:
    batch = {"events": [{"type": "a.b"}, {"type": "a.c", "idempotency_key": "own"}]}

    first, again = send(api, batch, path="/api/events"), send(api, batch, path="/api/events")

    assert [each["id"] for each in first.json()["events"]] == [each["id"] for each in again.json()["events"]]
    assert sorted(Event.objects.values_list("idempotency_key", flat=True)) == ["key-1#0", "own"]


def test_of_an_event_the_first_under_a_key_counts(api: API) -> None:
    first = send(api, {"type": "a.b", "data": 1}, path="/api/events").json()
    again = send(api, {"type": "a.b", "data": 2}, path="/api/events").json()

    assert again == {**first, "duplicate": True}
    assert Event.objects.get().data == 1


@pytest.mark.parametrize("key", ["", "é", "x" * 256, " "])
def test_a_bad_key_is_told(api: API, key: str) -> None:
    assert check(send(api, key=key), 400)["errors"][0]["field"] == "Idempotency-Key"


def test_the_answer_is_kept_encrypted_and_goes_after_a_day(api: API) -> None:
    send(api)
    kept = IdempotentCall.objects.values_list("answer", flat=True).get()
    assert kept.startswith("v1.")

    assert idempotency.prune() == 0
    IdempotentCall.objects.update(started_at=timezone.now() - timedelta(hours=25))
    assert idempotency.prune() == 1
