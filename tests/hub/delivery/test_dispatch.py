"""The delivery path: claim, send, settle, against a fake door."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from hub.connections.models import Circuit, Status
from hub.delivery import operations, store
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.delivery.signals import integration_state_changed
from hub.lib import logs, outbound
from tests.factories import EventFactory, FieldMappingFactory, IntegrationFactory, QueueItemFactory
from tests.hub.delivery.conftest import make_dispatcher

pytestmark = pytest.mark.django_db(transaction=True)


def make(integration, text="hello", **fields):
    event = EventFactory(organization=integration.organization, data={"text": text})
    return QueueItemFactory(integration=integration, event=event, action="note", **fields)


def alpha(**fields):
    return IntegrationFactory(provider_slug="alpha", **fields)


def with_fallback(first, second, **fields):
    targets = [{"integration": str(one.pk), "action": "note", "mapping": None} for one in (first, second)]
    return make(first, targets=targets, **fields)


def due_now():
    """Let everything that waits be due, as if time had passed."""
    past = timezone.now() - timedelta(seconds=1)
    QueueItem.objects.filter(state=State.PENDING).update(due_at=past, claim_order=past.timestamp())


def state_of(item):
    item.refresh_from_db()
    return item.state


def test_delivers_and_logs_what_was_asked_and_answered(dispatcher, door):
    door.answer("POST", "/notes", json={"id": 7})
    item = make(alpha(), text="good morning")

    dispatcher.run_until_idle()

    assert state_of(item) == State.COMPLETED
    assert (item.external_id, item.attempts, item.result) == ("7", 1, {"taken": True})
    assert door.requests[0].json == {"text": "good morning", "key": item.idempotency_key}
    entry = IntegrationLog.objects.get(kind=LogKind.DELIVERY)
    assert (entry.outcome, entry.status_code, entry.attempt, entry.item_id) == ("ok", 200, 1, item.pk)
    assert "good morning" in entry.exchanges[0]["request_body"]


def test_a_mapping_makes_the_input_and_is_read_fresh(dispatcher, door):
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha()
    mapping = FieldMappingFactory(
        organization=integration.organization, rules=[{"source": "data.text", "target": "text"}]
    )
    make(integration, text="mapped", mapping=mapping)
    dispatcher.run_until_idle()
    assert door.requests[0].json["text"] == "mapped"


def test_data_that_does_not_fit_fails_with_the_field_and_sends_nothing(dispatcher, door):
    item = make(alpha(), text=["no", "text"])
    dispatcher.run_until_idle()
    assert state_of(item) == State.FAILED
    assert item.last_error_kind == "rejected"
    assert "text" in item.last_error
    assert door.requests == []


def test_the_same_key_on_every_try(dispatcher, door):
    door.answer("POST", "/notes", status=503, times=1)
    door.answer("POST", "/notes", json={"id": 1})
    item = make(alpha())
    dispatcher.run_until_idle()
    due_now()
    dispatcher.run_until_idle()
    assert state_of(item) == State.COMPLETED
    assert {sent.json["key"] for sent in door.requests} == {item.idempotency_key}
    outcomes = list(IntegrationLog.objects.order_by("id").values_list("outcome", "attempt"))
    assert outcomes == [("transient", 1), ("ok", 2)]


def test_when_the_first_choice_is_down_the_fallback_takes_over(dispatcher, door):
    door.answer("POST", "http://alpha.test/notes", status=503)
    door.answer("POST", "http://beta.test/notes", json={"id": "b1"})
    first = alpha(quick_tries=2)
    second = IntegrationFactory(provider_slug="beta", organization=first.organization)
    item = with_fallback(first, second)
    for _ in range(3):
        dispatcher.run_until_idle()
        due_now()
    assert state_of(item) == State.COMPLETED
    assert (item.integration_id, item.external_id) == (second.pk, "b1")
    assert len({sent.json["key"] for sent in door.requests}) == 1


def test_an_open_circuit_diverts_what_has_a_fallback_and_holds_the_rest(dispatcher, door):
    door.answer("POST", "http://beta.test/notes", json={"id": "b1"})
    first = alpha(circuit=Circuit.OPEN, circuit_until=timezone.now() + timedelta(minutes=5))
    second = IntegrationFactory(provider_slug="beta", organization=first.organization)
    diverted, held = with_fallback(first, second), make(first)
    dispatcher.run_until_idle()
    assert state_of(diverted) == State.COMPLETED
    assert state_of(held) == State.PENDING
    assert held.attempts == 0
    assert IntegrationLog.objects.filter(outcome="diverted", item_id=diverted.pk).exists()


def test_successes_of_before_count_when_something_fails(dispatcher, door):
    """Nothing is written while all goes well; a few failures among many successes open nothing."""
    door.answer("POST", "/notes", json={"id": 1}, times=8)
    door.answer("POST", "/notes", status=500, times=5)
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha(breaker_threshold=4, max_in_flight=1, quick_tries=1)
    for _ in range(8):
        make(integration)
    dispatcher.run_until_idle()
    integration.refresh_from_db()
    assert integration.breaker_window is None
    for _ in range(5):
        make(integration)
    dispatcher.run_until_idle()
    integration.refresh_from_db()
    assert (integration.circuit, integration.failures_lately) == (Circuit.CLOSED, 5)


def test_failures_in_a_row_open_the_circuit_once_and_a_success_closes_it(dispatcher, door):
    told = []
    integration_state_changed.connect(receiver := lambda reason, **_: told.append(reason))
    door.answer("POST", "/notes", status=500, times=3)
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha(breaker_threshold=3, max_in_flight=1)
    items = [make(integration) for _ in range(6)]
    dispatcher.run_until_idle()
    integration.refresh_from_db()
    assert integration.circuit == Circuit.OPEN
    assert len(door.requests) == 3

    integration.circuit_until = timezone.now() - timedelta(seconds=1)
    integration.save()
    for _ in range(3):
        due_now()
        dispatcher.run_until_idle()
    integration.refresh_from_db()
    assert (integration.circuit, integration.failure_streak) == (Circuit.CLOSED, 0)
    assert all(state_of(item) == State.COMPLETED for item in items)
    assert [reason.split()[0] for reason in told] == ["Circuit", "Recovered:"]
    assert IntegrationLog.objects.filter(kind=LogKind.STATE).count() == 2
    integration_state_changed.disconnect(receiver)


def test_a_refused_credential_holds_the_queue_until_it_is_reconnected(dispatcher, door):
    door.answer("POST", "/notes", status=401, times=1)
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha(max_in_flight=1)
    items = [make(integration) for _ in range(3)]
    dispatcher.run_until_idle()
    integration.refresh_from_db()
    assert integration.status == Status.RECONNECT
    assert [state_of(item) for item in items] == [State.PENDING] * 3
    assert {item.attempts for item in items} == {0}

    integration.record_test(True, "Connected.", 5)
    dispatcher.run_until_idle()
    assert [state_of(item) for item in items] == [State.COMPLETED] * 3


def test_retry_after_holds_the_whole_integration_and_nobody_else(dispatcher, door):
    door.answer("POST", "http://alpha.test/notes", status=429, headers={"Retry-After": "120"})
    door.answer("POST", "http://beta.test/notes", json={"id": 1})
    slow = alpha(max_in_flight=1)
    fast = IntegrationFactory(provider_slug="beta", organization=slow.organization)
    waiting, others = [make(slow) for _ in range(3)], [make(fast) for _ in range(3)]
    dispatcher.run_until_idle()
    slow.refresh_from_db()
    assert slow.blocked_until > timezone.now() + timedelta(seconds=100)
    assert sum(sent.url.startswith("http://alpha") for sent in door.requests) == 1
    assert [state_of(item) for item in waiting] == [State.PENDING] * 3
    assert [state_of(item) for item in others] == [State.COMPLETED] * 3


def test_paused_holds_and_resumed_delivers(dispatcher, door):
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha()
    integration.pause("Maintenance.")
    item = make(integration)
    dispatcher.run_until_idle()
    assert state_of(item) == State.PENDING
    integration.resume()
    dispatcher.run_until_idle()
    assert state_of(item) == State.COMPLETED


def test_no_more_than_the_rate_leaves_in_one_period(dispatcher, door):
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha(rate_count=5, rate_seconds=3600)
    for _ in range(12):
        make(integration)
    dispatcher.run_until_idle()
    assert len(door.requests) == 5
    assert QueueItem.objects.filter(state=State.PENDING).count() == 7
    assert QueueItem.objects.filter(state=State.PROCESSING).count() == 0


def test_a_fault_in_a_providers_code_costs_neither_worker_nor_item(dispatcher, door):
    door.answer("POST", "/notes", body=b"this is no JSON")
    item = make(alpha())
    dispatcher.run_until_idle()
    assert state_of(item) == State.PENDING
    assert "Interchange's own code" in item.last_error


def test_an_event_that_was_erased_fails_with_a_reason(dispatcher, door):
    item = make(alpha())
    type(EventFactory.build()).objects.all().delete()
    dispatcher.run_until_idle()
    assert state_of(item) == State.FAILED
    assert "erased" in item.last_error


def test_an_unreachable_provider_is_tried_again(dispatcher, door):
    door.fail("POST", "/notes", outbound.ConnectFailed("The connection was refused."))
    item = make(alpha())
    dispatcher.run_until_idle()
    assert (state_of(item), item.last_error_kind) == (State.PENDING, "transient")


def test_a_retry_by_hand_passes_after_the_cause_is_mended(dispatcher, door):
    door.answer("POST", "/notes", status=400, json={"message": "no such list"}, times=1)
    door.answer("POST", "/notes", json={"id": 1})
    item = make(alpha())
    dispatcher.run_until_idle()
    assert state_of(item) == State.FAILED
    assert "no such list" in item.last_error
    operations.retry([item])
    dispatcher.run_until_idle()
    assert state_of(item) == State.COMPLETED


def test_two_workers_share_the_queue_and_send_nothing_twice(door):
    door.answer("POST", "/notes", json={"id": 1})
    integration = alpha(batch_size=5)
    for _ in range(60):
        make(integration)
    workers = [make_dispatcher(f"worker-{n}") for n in range(2)]

    def work(worker):
        worker.run_until_idle()
        connections.close_all()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert QueueItem.objects.filter(state=State.COMPLETED).count() == 60
    assert len({sent.json["key"] for sent in door.requests}) == len(door.requests) == 60


def test_stopping_gives_back_what_was_not_started_and_settles_the_rest(door):
    started, go_on = threading.Event(), threading.Event()

    def slow(_sent):
        started.set()
        go_on.wait(10)
        return {"id": 1}

    door.answer("POST", "/notes", json=slow)
    integration = alpha(max_in_flight=1)
    items = [make(integration) for _ in range(4)]
    worker, stop = make_dispatcher(), threading.Event()

    def work():
        worker.run(stop)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(10)
    stop.set()
    go_on.set()
    worker.ring()
    thread.join(20)
    assert not thread.is_alive()
    states = sorted(state_of(item) for item in items)
    assert states.count(State.PROCESSING) == 0
    assert states.count(State.COMPLETED) >= 1


def test_an_outcome_that_could_not_be_written_is_kept_and_nothing_is_resent(dispatcher, door, monkeypatch):
    door.answer("POST", "/notes", json={"id": 1})
    item = make(alpha())
    settle, failures = store.settle, [OperationalError("the connection was cut"), None]

    def flaky(settlements, now):
        if failure := failures.pop(0):
            raise failure
        return settle(settlements, now)

    monkeypatch.setattr(store, "settle", flaky)
    with pytest.raises(OperationalError):
        dispatcher.run_until_idle()
    assert state_of(item) == State.PROCESSING
    dispatcher.run_until_idle()
    assert state_of(item) == State.COMPLETED
    assert len(door.requests) == 1


def test_lines_written_meanwhile_carry_the_items_ids(dispatcher, door, caplog):
    facts = []
    door.answer("POST", "/notes", json=lambda sent: facts.append(logs.current_facts()) or {"id": 7})
    item = make(alpha())
    caplog.set_level("INFO", "hub.traffic")

    dispatcher.run_until_idle()

    assert facts[0] | {"item": str(item.pk), "event": str(item.source_id), "attempt": "1"} == facts[0]
    told = [record for record in caplog.records if record.name == "hub.traffic"]
    assert [record.facts["outcome"] for record in told] == ["ok"]
    assert logs.current_facts().get("item") is None


def test_a_ring_during_a_look_is_not_lost(dispatcher, monkeypatch):
    def look(now):
        dispatcher.ring()  # somebody's commit came after what this look could see
        return []

    monkeypatch.setattr(store, "due_lanes", look)
    dispatcher.claims.claim()
    assert dispatcher.claims.wanted()
