"""Kept calls become events: each notice once, whatever happens on the way."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone

from hub.delivery.models import IntegrationLog, QueueItem
from hub.events.models import Event, EventType
from integrations.base.webhooks import Notice
from tests.conftest import Door
from tests.factories import EventTypeFactory, ReceivedWebhookFactory, RouteFactory
from tests.webhooks.calls import call, declared, endpoint_of, fixture_of, signed, signing_providers
from webhooks import jobs, process
from webhooks.models import ReceivedWebhook
from webhooks.process import process_due

pytestmark = pytest.mark.django_db
State = ReceivedWebhook.State
PAID = "stripe.invoice.paid"


def received(slug: str, kind: str = "", **fields: Any) -> ReceivedWebhook:
    """A proved call that waits for the worker."""
    endpoint = fields.pop("endpoint", None) or endpoint_of(slug)
    fixture = fixture_of(slug, kind)
    body, headers = signed(endpoint, fields.pop("body", fixture.body), fixture.headers)
    names = {name.lower(): value for name, value in headers.items()}
    fields.setdefault("due_at", timezone.now())
    return ReceivedWebhookFactory(endpoint=endpoint, body=body, headers=names, **fields)


def later(seconds: float) -> None:
    """Let the wait of every call be over."""
    ReceivedWebhook.objects.update(due_at=timezone.now() - timedelta(seconds=seconds), lease_until=None)


@pytest.mark.parametrize("provider", signing_providers(), ids=lambda provider: provider.slug)
def test_every_declared_notice_becomes_an_event_once(provider: Any) -> None:
    fixture = fixture_of(provider.slug)
    row = received(provider.slug)

    assert process_due() == 1
    row.refresh_from_db()
    assert (row.state, row.reason) == (State.PROCESSED, "")
    assert sorted(Event.objects.values_list("type", flat=True)) == sorted(fixture.types)
    assert {str(event.pk) for event in Event.objects.all()} == set(row.events)
    assert set(Event.objects.values_list("origin", "webhook_id")) == {("webhook", row.pk)}

    row.state = State.RECEIVED
    row.save()
    assert process_due() == 1
    assert Event.objects.count() == len(fixture.notices), "processed again, nothing doubles"


def test_the_whole_way_from_the_call_to_the_queue() -> None:
    endpoint = endpoint_of("stripe")
    RouteFactory(organization=endpoint.organization, type_pattern="stripe.invoice.*")

    call(endpoint, fixture_of("stripe", PAID).body)
    process_due()

    item = QueueItem.objects.get()
    assert (item.label, item.organization) == (PAID, endpoint.organization)


def test_two_calls_that_tell_the_same_make_one_event() -> None:
    endpoint = endpoint_of("hubspot")
    received("hubspot", endpoint=endpoint)
    received("hubspot", endpoint=endpoint)

    assert process_due() == 2
    assert Event.objects.count() == len(fixture_of("hubspot").notices)


def test_endpoints_do_not_take_each_others_notices_for_their_own() -> None:
    received("stripe", PAID)
    received("stripe", PAID)

    process_due()

    assert Event.objects.count() == 2


def test_one_bad_notice_does_not_lose_the_others() -> None:
    row = received("hubspot", body=_hubspot_batch(3))
    EventTypeFactory(
        organization=row.organization,
        name="hubspot.contact.creation",
        schema={"properties": {"objectId": {"not": {"const": 1}}}},
        on_invalid=EventType.OnInvalid.REJECT,
    )

    process_due()

    row.refresh_from_db()
    assert row.state == State.FAILED
    assert row.reason.startswith("2 of 3 notices became events; hubspot.contact.creation was not accepted")
    assert sorted(Event.objects.values_list("subject", flat=True)) == ["0", "2"]
    assert IntegrationLog.objects.get().outcome == "failed"


def _hubspot_batch(count: int) -> bytes:
    template = json.loads(fixture_of("hubspot", "hubspot.contact.creation").body)[0]
    return json.dumps(
        [{**template, "objectId": number, "eventId": number} for number in range(count)]
    ).encode()


def test_a_body_that_cannot_be_read_fails_with_a_reason() -> None:
    row = received("stripe")
    ReceivedWebhook.objects.update(body=b"not json")
    good = received("stripe", PAID)

    assert process_due() == 2
    row.refresh_from_db()
    good.refresh_from_db()
    assert (row.state, good.state) == (State.FAILED, State.PROCESSED)
    assert "could not read the body" in row.reason


def test_a_passing_fault_is_tried_again_with_growing_waits_until_it_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = received("stripe", PAID)

    def down(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(process, "accept_events", down)
    monkeypatch.setattr(process, "accept_parcels", down)
    waits = []
    for _ in process.WAITS:
        assert process_due() == 1
        row.refresh_from_db()
        assert row.state == State.RECEIVED
        assert "tried again" in row.reason
        waits.append(round((row.due_at - timezone.now()).total_seconds()))
        assert process_due() == 0, "not before it is due"
        later(0)
    assert waits == sorted(waits)
    process_due()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "tries are used up" in row.reason

    monkeypatch.undo()
    row.state, row.attempts = State.RECEIVED, 0
    row.save()
    later(0)
    process_due()
    assert Event.objects.count() == 1


def test_confirms_a_subscription_by_the_door(door: Door) -> None:
    path = declared_fixture("amazon_ses", "subscription_confirmation")
    endpoint = endpoint_of("amazon_ses")
    row = ReceivedWebhookFactory(
        endpoint=endpoint, body=path.body, headers=dict(path.headers), due_at=timezone.now()
    )
    door.fail("GET", lambda sent: True, times=1)
    door.answer("GET", lambda sent: "ConfirmSubscription" in sent.url, body="ok")

    process_due()
    row.refresh_from_db()
    assert row.state == State.RECEIVED, "the first try failed"
    later(0)
    process_due()

    row.refresh_from_db()
    assert row.state == State.PROCESSED
    assert len(door.requests) == 2
    assert IntegrationLog.objects.get().outcome == "ok"


def declared_fixture(slug: str, name: str) -> Any:
    from integrations.base.fixtures import webhook_fixtures
    from integrations.base.registry import get_provider

    return next(f for f in webhook_fixtures(get_provider(slug)) if f.file.endswith(f"{name}.json"))


def test_a_call_of_a_worker_that_died_is_taken_up_when_its_lease_ends() -> None:
    row = received("stripe", PAID, attempts=1, lease_until=timezone.now() + timedelta(minutes=1))
    assert process_due() == 0

    ReceivedWebhook.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert process_due() == 1
    row.refresh_from_db()
    assert row.state == State.PROCESSED


def test_a_worker_that_lost_its_lease_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    row = received("stripe", PAID)
    real = process.accept_parcels

    def slow(*args: Any, **kwargs: Any) -> Any:
        ReceivedWebhook.objects.update(attempts=2)  # another worker claims it meanwhile
        return real(*args, **kwargs)

    monkeypatch.setattr(process, "accept_parcels", slow)
    process_due()

    row.refresh_from_db()
    assert row.state == State.RECEIVED


def test_long_or_odd_ids_and_subjects_still_become_events(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = [
        Notice("x" * 400, "stripe.a", {}, "subject\n" + "s" * 300),
        Notice("", "stripe.b", {}),
        Notice("", "stripe.b", {}),
    ]
    monkeypatch.setattr(
        type(declared("stripe")), "parse", property(lambda self: lambda call: odd), raising=False
    )
    received("stripe")

    process_due()

    assert sorted(Event.objects.values_list("type", flat=True)) == ["stripe.a", "stripe.b", "stripe.b"]


def test_prunes_what_is_past_its_retention() -> None:
    old = timezone.now() - timedelta(days=100)
    ReceivedWebhookFactory(state=State.PROCESSED)
    waiting = ReceivedWebhookFactory(state=State.RECEIVED)
    gone = ReceivedWebhookFactory(state=State.PROCESSED)
    ReceivedWebhook.objects.filter(pk__in=[waiting.pk, gone.pk]).update(received_at=old)

    assert jobs.prune() == 1
    assert not ReceivedWebhook.objects.filter(pk=gone.pk).exists()


def test_calls_kept_together_are_written_by_a_few_statements(
    django_assert_max_num_queries: Any,
) -> None:
    endpoint = endpoint_of("stripe")
    body = json.loads(fixture_of("stripe", PAID).body)
    for number in range(20):
        received("stripe", endpoint=endpoint, body=json.dumps({**body, "id": f"evt_{number}"}).encode())
    with django_assert_max_num_queries(14):
        assert process_due() == 20
    rows = ReceivedWebhook.objects.all()
    assert {row.state for row in rows} == {State.PROCESSED}
    assert all(row.lease_until is None and row.processed_at for row in rows)
    ids = {str(pk) for pk in Event.objects.values_list("pk", flat=True)}
    assert {row.events[0] for row in rows} == ids
    assert len(ids) == 20


def test_one_that_is_refused_keeps_no_other_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, silent = (received("stripe", PAID) for _ in range(3))
    told = {
        good.pk: [Notice("a", "stripe.a", {})],
        bad.pk: [Notice("b", "not a type", {}), Notice("c", "stripe.c", {})],
        silent.pk: [],
    }
    notices = iter(told.values())
    monkeypatch.setattr(
        type(declared("stripe")), "parse", property(lambda self: lambda call: next(notices)), raising=False
    )
    assert process_due() == 3
    for row in (good, bad, silent):
        row.refresh_from_db()
    assert (good.state, len(good.events), good.reason) == (State.PROCESSED, 1, "")
    assert (bad.state, len(bad.events)) == (State.FAILED, 1)
    assert "1 of 2 notices became events" in bad.reason
    assert (silent.state, silent.reason) == (State.PROCESSED, process.NOTHING)


def test_one_that_takes_long_to_read_holds_back_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = (received("stripe", PAID) for _ in range(2))
    found = []

    def parse(call: Any) -> list[Notice]:
        found.append(ReceivedWebhook.objects.get(pk=first.pk).state)
        clock[0] += process.READ_WITHIN + 0.1
        return []

    clock = [1000.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(type(declared("stripe")), "parse", property(lambda self: parse), raising=False)
    third = received("stripe", PAID)
    assert process_due() == 3
    assert found == [State.RECEIVED, State.RECEIVED, State.PROCESSED], "kept before the third is read"
    third.refresh_from_db()
    assert third.state == State.PROCESSED


def test_a_group_that_the_database_refuses_is_kept_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError("a route was deleted meanwhile")

    monkeypatch.setattr(process, "accept_parcels", refuse)
    rows = [received("stripe", PAID) for _ in range(2)]
    assert process_due() == 2
    for row in rows:
        row.refresh_from_db()
        assert row.state == State.PROCESSED
        assert len(row.events) == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_work_on_the_same_call() -> None:
    endpoint = endpoint_of("stripe")
    body = json.loads(fixture_of("stripe", PAID).body)
    for number in range(20):
        received("stripe", endpoint=endpoint, body=json.dumps({**body, "id": f"evt_{number}"}).encode())
    done: list[int] = []

    def work() -> None:
        while count := process_due(limit=3):
            done.append(count)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sum(done) == 20
    assert set(ReceivedWebhook.objects.values_list("attempts", flat=True)) == {1}
    assert Event.objects.count() == 20


def test_a_call_beyond_the_quota_waits_for_it_and_loses_nothing() -> None:
    endpoint = endpoint_of("stripe")
    organization = endpoint.integration.organization
    type(organization).objects.filter(pk=organization.pk).update(events_per_day=1)
    first, second = received("stripe", endpoint=endpoint), received("stripe", PAID, endpoint=endpoint)
    process_due()
    waiting = [row for row in ReceivedWebhook.objects.all() if row.state == State.RECEIVED]
    assert (Event.objects.count(), len(waiting)) == (1, 1)
    assert waiting[0].pk in (first.pk, second.pk)
    assert waiting[0].reason.startswith("Held, nothing is lost.")
    assert waiting[0].due_at.hour == waiting[0].due_at.minute == 0
    assert process_due() == 0

    organization.refresh_from_db()
    organization.events_per_day = 5
    organization.save()

    assert process_due() == 1
    assert Event.objects.count() == 2
    assert not ReceivedWebhook.objects.exclude(state=State.PROCESSED).exists()
