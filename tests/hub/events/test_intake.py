"""Events come in: kept, queued for every route that wants them, once per idempotency key."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from unittest import mock

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.delivery import sources
from hub.delivery.models import QueueItem
from hub.events import intake
from hub.events.intake import Draft, IntakeError, accept_event, accept_events
from hub.events.models import Event
from tests.factories import (
    EventFactory,
    EventTypeFactory,
    FieldMappingFactory,
    IntegrationFactory,
    OrganizationFactory,
    RouteFactory,
    RouteFallbackFactory,
)

pytestmark = pytest.mark.django_db
SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {"total": {"type": "number"}, "customer": {"$ref": "#/$defs/customer"}},
    "$defs": {"customer": {"properties": {"email": {"format": "email"}}}},
}


@pytest.fixture
def organization():
    return OrganizationFactory()


def test_an_event_is_kept_as_it_came(organization):
    time = datetime(2026, 1, 31, 12, tzinfo=UTC)
    draft = Draft("order.paid", {"id": "ü", "n": [1.5]}, "A-1", "shop", time, "key-1")
    accepted = accept_event(organization, draft, origin="webhook", webhook_id=7)
    event = Event.objects.get()
    assert event.pk == accepted.event_id
    assert (event.type, event.data, event.subject, event.source) == (
        "order.paid", {"id": "ü", "n": [1.5]}, "A-1", "shop",
    )  # fmt: skip
    assert (event.time, event.idempotency_key, event.origin, event.webhook_id) == (
        time,
        "key-1",
        "webhook",
        7,
    )


def test_an_event_that_no_route_wants_is_kept_too(organization):
    RouteFactory()
    accepted = accept_event(organization, Draft("nobody.cares"))
    assert (accepted.items, accepted.duplicate) == (0, False)
    assert Event.objects.get().routing == []


def test_every_route_that_wants_it_gets_an_item(organization):
    mapping = FieldMappingFactory(organization=organization)
    wanted = RouteFactory(
        organization=organization, name="a", mapping=mapping, priority=600, delay=60, action="x.y"
    )
    fallback = RouteFallbackFactory(route=wanted, action="z.send")
    RouteFactory(organization=organization, name="b", filter="data.total > `100`")
    RouteFactory(organization=organization, name="c", enabled=False)
    RouteFactory(organization=organization, name="d", filter="sum(data.total)")
    RouteFactory(organization=organization, name="e", type_pattern="invoice.*")
    before = timezone.now()
    accepted = accept_event(organization, Draft("order.paid", {"total": 5}, "A-1"))
    assert accepted.items == 1
    item = QueueItem.objects.get()
    assert item.organization == organization
    assert (item.source_type, item.source_id, item.route_id) == ("event", accepted.event_id, wanted.pk)
    assert (item.integration, item.action, item.mapping, item.priority) == (
        wanted.integration,
        "x.y",
        mapping,
        600,
    )
    assert [target["action"] for target in item.targets] == ["x.y", "z.send"]
    assert item.targets[1]["integration"] == str(fallback.integration.pk)
    assert (item.label, item.subject, item.state) == ("order.paid", "A-1", "pending")
    assert before + timedelta(seconds=60) <= item.due_at <= timezone.now() + timedelta(seconds=60)
    routing = Event.objects.get().routing
    assert [entry["outcome"] for entry in routing] == ["queued", "filtered", "disabled", "error"]
    assert routing[3]["name"] == "d"
    assert "sum()" in routing[3]["reason"]


def test_a_paused_integration_s_items_are_queued_and_held(organization):
    integration = IntegrationFactory(organization=organization)
    integration.pause("holiday")
    RouteFactory(organization=organization, integration=integration)
    assert accept_event(organization, Draft("order.paid")).items == 1


def test_delivery_can_be_put_off_never_into_the_past(organization):
    RouteFactory(organization=organization)
    now = timezone.now()
    accept_events(
        organization,
        [
            Draft("order.a", deliver_at=now + timedelta(hours=1)),
            Draft("order.b", deliver_at=now - timedelta(days=9)),
        ],
    )
    later, at_once = QueueItem.objects.order_by("label")
    assert later.due_at == now + timedelta(hours=1)
    assert at_once.due_at >= now


def test_items_of_a_batch_are_due_in_its_order(organization):
    RouteFactory(organization=organization)
    accept_events(organization, [Draft(f"order.n{number}") for number in range(50)])
    labels = QueueItem.objects.order_by("claim_order").values_list("label", flat=True)
    assert list(labels) == [f"order.n{number}" for number in range(50)]


def test_the_same_key_is_accepted_once(organization):
    RouteFactory(organization=organization)
    first = accept_event(organization, Draft("order.paid", {"n": 1}, idempotency_key="k"))
    again = accept_event(organization, Draft("order.paid", {"n": 2}, idempotency_key="k"))
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.event_id, again.items) == (first.event_id, 1)
    assert Event.objects.get().data == {"n": 1}
    assert QueueItem.objects.count() == 1
    assert not accept_event(OrganizationFactory(), Draft("order.paid", idempotency_key="k")).duplicate


def test_the_same_key_twice_in_one_batch_is_accepted_once(organization):
    RouteFactory(organization=organization)
    accept_event(organization, Draft("order.paid", idempotency_key="old"))
    drafts = [Draft("order.x", idempotency_key=key) for key in ("new", "old", None, "new", None)]
    accepted = accept_events(organization, drafts)
    assert [entry.duplicate for entry in accepted] == [False, True, False, True, False]
    assert accepted[0].event_id == accepted[3].event_id
    assert [entry.items for entry in accepted] == [1] * 5
    assert Event.objects.count() == QueueItem.objects.count() == 4


def test_one_wrong_event_refuses_the_batch(organization):
    with pytest.raises(IntakeError) as caught:
        accept_events(organization, [Draft("fine"), Draft("not fine"), Draft("x", subject="s" * 999)])
    assert [(problem.index, problem.field) for problem in caught.value.problems] == [
        (1, "type"),
        (2, "subject"),
    ]
    assert "event 2: type: " in str(caught.value)
    assert not Event.objects.exists()


def test_nothing_in_nothing_out(organization):
    assert accept_events(organization, []) == []


def test_data_that_does_not_fit_is_refused_naming_the_place(organization):
    EventTypeFactory(organization=organization, schema=SCHEMA, on_invalid="reject")
    bad = {"total": "x", "customer": {"email": "nope"}}
    with pytest.raises(IntakeError) as caught:
        accept_events(organization, [Draft("order.paid", {"id": 1}), Draft("order.paid", bad)])
    assert {problem.field for problem in caught.value.problems} == {
        "data",
        "data.total",
        "data.customer.email",
    }
    assert {problem.index for problem in caught.value.problems} == {1}
    assert not Event.objects.exists()
    assert accept_event(organization, Draft("order.other", bad)).warnings == ()


def test_data_that_does_not_fit_is_kept_with_a_warning(organization):
    EventTypeFactory(organization=organization, schema=SCHEMA)
    accepted = accept_event(organization, Draft("order.paid", {}, warnings=("own",)))
    assert accepted.warnings == ("own", "data: 'id' is a required property")
    assert Event.objects.get().warnings == list(accepted.warnings)


@pytest.mark.parametrize("schema", [{"type": 5}, {"$ref": "http://127.0.0.1:1/x"}, {"$ref": "#/$defs/none"}])
def test_a_broken_schema_refuses_no_event(organization, schema):
    EventTypeFactory(organization=organization, schema=schema, on_invalid="reject")
    (warning,) = accept_event(organization, Draft("order.paid", {"id": 1})).warnings
    assert "schema" in warning


def test_a_batch_costs_as_many_queries_as_one_event(organization):
    RouteFactory(organization=organization)
    counts = []
    for size in (1, 30):
        drafts = [Draft("order.paid", {"n": n}, idempotency_key=f"{size}-{n}") for n in range(size)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            accept_events(organization, drafts)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_workers_are_woken_once_after_the_commit(organization, monkeypatch):
    woken = mock.Mock(side_effect=lambda: Event.objects.count())
    monkeypatch.setattr(intake, "wake", woken)
    accept_event(organization, Draft("order.paid"))
    assert not woken.called
    RouteFactory(organization=organization)
    with transaction.atomic():
        accept_events(organization, [Draft("order.paid"), Draft("order.paid")])
        assert not woken.called
    assert woken.call_count == 1


@pytest.mark.django_db(transaction=True)
def test_an_integration_deleted_while_an_event_comes_in_loses_no_event(organization, monkeypatch):
    route = RouteFactory(organization=organization)
    read = intake.routes_of_all
    deleted = []

    def read_then_delete(organizations):
        views = read(organizations)
        if not deleted:
            deleted.append(route.integration.delete())
        return views

    monkeypatch.setattr(intake, "routes_of_all", read_then_delete)
    accepted = accept_event(organization, Draft("order.paid"))
    assert accepted.items == 0
    assert Event.objects.get().pk == accepted.event_id


@pytest.mark.django_db(transaction=True)
def test_the_same_keys_at_the_same_time_are_accepted_once(organization):
    RouteFactory(organization=organization)
    threads, keys = 8, [f"key-{number}" for number in range(20)]
    start = Barrier(threads)

    def post(number):
        try:
            start.wait()
            ordered = keys if number % 2 else keys[::-1]
            singles = [
                accept_event(organization, Draft("order.paid", idempotency_key=key)) for key in ordered[:5]
            ]
            batch = accept_events(organization, [Draft("order.paid", idempotency_key=key) for key in ordered])
            return [*zip(ordered[:5], singles, strict=True), *zip(ordered, batch, strict=True)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        answers = [answer for answers in pool.map(post, range(threads)) for answer in answers]
    first = Counter(key for key, accepted in answers if not accepted.duplicate)
    assert first == dict.fromkeys(keys, 1)
    assert len({accepted.event_id for _, accepted in answers}) == len(keys)
    assert Event.objects.count() == QueueItem.objects.count() == len(keys)


def test_delivery_loads_what_was_accepted():
    event = EventFactory(data={"a": [1]})
    envelope = sources.load("event", [event.pk])[event.pk]
    assert (envelope.type, envelope.subject, envelope.data) == (event.type, event.subject, {"a": [1]})
