"""Sending events, in every form, and reading them back."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.delivery.models import QueueItem
from hub.events.models import Event
from tests.factories import EventFactory, EventTypeFactory, OrganizationFactory, RouteFactory
from tests.hub.api.conftest import API

pytestmark = pytest.mark.django_db
EVENT = {"type": "order.paid", "subject": "order-1", "data": {"total": "12.50"}}
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "https://shop.example.com",
    "type": "order.paid",
    "subject": "order-1",
    "time": "2026-01-31T12:00:00Z",
    "data": {"total": "12.50"},
}
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def test_accepts_one_event_and_says_what_came_of_it(api: API) -> None:
    RouteFactory(organization=api.organization)

    answer = api.post("/api/events", EVENT)

    event = Event.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"id": str(event.pk), "items": 1, "duplicate": False, "warnings": []}
    assert answer.headers["Location"] == f"/api/events/{event.pk}"
    assert (event.type, event.subject, event.data, event.origin) == (
        "order.paid",
        "order-1",
        {"total": "12.50"},
        "api",
    )
    assert QueueItem.objects.count() == 1


@pytest.mark.parametrize("by_header", [True, False])
def test_the_same_key_is_accepted_once(api: API, by_header: bool) -> None:
    body = EVENT if by_header else {**EVENT, "idempotency_key": "k1"}
    headers = {"Idempotency_Key": "k1"} if by_header else {}

    first, second = (api.post("/api/events", body, **headers).json() for _ in range(2))

    assert first["id"] == second["id"]
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert Event.objects.get().idempotency_key == "k1"


def test_two_organizations_may_use_the_same_key(api: API) -> None:
    body = {**EVENT, "idempotency_key": "k1"}
    other = API(OrganizationFactory())

    assert not api.post("/api/events", body).json()["duplicate"]
    assert not other.post("/api/events", body).json()["duplicate"]


def test_reads_a_structured_cloud_event(api: API) -> None:
    answers = [api.post("/api/events", CLOUD, kind).json() for kind in (STRUCTURED, "application/json")]

    event = Event.objects.get()
    assert [answer["duplicate"] for answer in answers] == [False, True], "source and id are its identity"
    assert (event.source, event.data, event.time.isoformat()) == (
        "https://shop.example.com",
        {"total": "12.50"},
        "2026-01-31T12:00:00+00:00",
    )


def test_reads_a_binary_cloud_event(api: API) -> None:
    answer = api.post(
        "/api/events",
        {"total": "12.50"},
        "application/json; charset=utf-8",
        ce_specversion="1.0",
        ce_id="1",
        ce_source="/shop",
        ce_type="order.paid",
        ce_subject="Gr%C3%B6%C3%9Fe",
    )

    event = Event.objects.get()
    assert answer.status_code == 202
    assert (event.type, event.subject, event.data) == ("order.paid", "Größe", {"total": "12.50"})


@pytest.mark.parametrize(
    ("kind", "raw", "data"),
    [
        ("text/plain", b"hello", "hello"),
        ("application/octet-stream", b"\xff\x00", base64.b64encode(b"\xff\x00").decode()),
    ],
)
def test_binary_data_that_is_no_json_is_kept_as_text(api: API, kind: str, raw: bytes, data: str) -> None:
    headers = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/s", "ce_type": "a.b"}

    assert api.post("/api/events", raw, kind, **headers).status_code == 202
    assert Event.objects.get().data == data


def test_reads_a_batch_of_cloud_events(api: API) -> None:
    answer = api.post("/api/events", [CLOUD, {**CLOUD, "id": "2"}], BATCH)

    assert [entry["duplicate"] for entry in answer.json()["events"]] == [False, False]


def test_reads_data_in_base64(api: API) -> None:
    row = {name: value for name, value in CLOUD.items() if name != "data"}
    encoded = base64.b64encode(b'{"a":1}').decode()

    api.post("/api/events", {**row, "data_base64": encoded}, STRUCTURED)

    assert Event.objects.get().data == {"a": 1}


@pytest.mark.parametrize("wrapped", [True, False])
def test_accepts_a_batch_in_order(api: API, wrapped: bool) -> None:
    rows = [{"type": f"order.n{number}"} for number in range(500)]

    answer = api.post("/api/events", {"events": rows} if wrapped else rows)

    ids = [entry["id"] for entry in answer.json()["events"]]
    types = dict(Event.objects.values_list("id", "type"))
    assert [types[_uuid(one)] for one in ids] == [row["type"] for row in rows]


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def test_a_batch_is_accepted_as_a_whole_or_not_at_all(api: API) -> None:
    rows = [EVENT, {"data": 1}, EVENT, {"type": "a.b", "time": "yesterday"}, {"type": "x" * 300}]

    answer = api.post("/api/events", {"events": rows})

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["events[1].type", "events[3].time"]
    answer = api.post("/api/events", [EVENT, {"type": "x" * 300}])
    assert [error["field"] for error in answer.json()["errors"]] == ["events[1].type"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "events"),
        ({"events": []}, "events"),
        ({"events": {}}, "events"),
        ([EVENT] * 501, "events"),
        ({"events": [EVENT], "extra": 1}, "extra"),
        ([EVENT, 7], "events[1]"),
        (7, ""),
        ({**EVENT, "idempotencyKey": "x"}, "idempotencyKey"),
        ({**EVENT, "type": 7}, "type"),
        ({**EVENT, "type": "no spaces"}, "type"),
        ({**EVENT, "time": "2026-01-31T12:00:00"}, "time"),
        ({**EVENT, "deliver_at": "soon"}, "deliver_at"),
        ({**EVENT, "subject": "s" * 201}, "subject"),
        ({**EVENT, "data": {"a": "b\x00"}}, "data.a"),
        ({**CLOUD, "specversion": "0.3"}, "specversion"),
        ({**CLOUD, "id": ""}, "id"),
        ({**CLOUD, "source": ""}, "source"),
        ({**CLOUD, "data_base64": "aGk="}, "data_base64"),
        ({**{k: v for k, v in CLOUD.items() if k != "data"}, "data_base64": "%"}, "data_base64"),
    ],
)
def test_refuses_what_is_wrong_by_the_name_of_the_field(api: API, body: Any, field: str) -> None:
    answer = api.post("/api/events", body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Event.objects.exists()


def test_one_event_of_a_batch_may_have_one_mebibyte(api: API) -> None:
    fits = {"type": "a.b", "data": "x" * (1024 * 1024 - 100)}

    assert api.post("/api/events", [fits, fits]).status_code == 202
    answer = api.post("/api/events", [fits, {"type": "a.b", "data": "x" * 1024 * 1024}])
    assert answer.status_code == 413
    assert "events[1]" in answer.json()["detail"]


def test_whole_numbers_past_64_bits_are_kept_exactly(api: API) -> None:
    api.post("/api/events", b'{"type": "a.b", "data": {"id": 123456789012345678901234567890}}')

    assert Event.objects.get().data == {"id": 123456789012345678901234567890}


@pytest.mark.parametrize("depth", [70, 300, 1000])
@pytest.mark.parametrize("batch", [True, False])
def test_deep_nesting_is_refused(api: API, depth: int, batch: bool) -> None:
    row = b'{"type":"a.b","data":' + b"[" * depth + b"]" * depth + b"}"
    large = b'{"type":"a.b","data":"' + b"x" * 1024 * 1000 + b'"}'

    answer = api.post("/api/events", b"[" + row + b"," + large + b"]" if batch else row)

    assert answer.status_code == 400


def test_a_schema_refuses_or_warns(api: API) -> None:
    schema = {"required": ["total"]}
    kind = EventTypeFactory(organization=api.organization, name="order.paid", schema=schema)
    warned = api.post("/api/events", {"type": "order.paid", "data": {}})
    kind.on_invalid = kind.OnInvalid.REJECT
    kind.save()
    refused = api.post("/api/events", {"type": "order.paid", "data": {}})

    assert len(warned.json()["warnings"]) == 1
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"].startswith("data")


def test_puts_deliveries_off(api: API) -> None:
    RouteFactory(organization=api.organization)
    later = timezone.now() + timedelta(days=2)

    api.post("/api/events", {**EVENT, "deliver_at": later.isoformat()})

    assert QueueItem.objects.get().due_at == later


def test_a_batch_costs_hardly_more_queries_than_one_event(api: API) -> None:
    RouteFactory(organization=api.organization)
    api.post("/api/events", EVENT)

    def queries(body: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert api.post("/api/events", body).status_code == 202
        return len(seen)

    one, fifty = queries(EVENT), queries([EVENT] * 50)
    assert one <= 6
    assert fifty <= one + 2, "inserts go in chunks"


class TestReading:
    def test_lists_the_newest_first_page_by_page(self, api: API) -> None:
        made = [str(EventFactory(organization=api.organization).pk) for _ in range(5)]
        EventFactory()  # somebody else's

        seen: list[str] = []
        query: dict[str, str] = {"limit": "2"}
        while True:
            page = api.get("/api/events", **query).json()
            seen += [row["id"] for row in page["results"]]
            if page["next_cursor"] is None:
                break
            EventFactory(organization=api.organization)  # rows that arrive meanwhile change nothing
            query["cursor"] = page["next_cursor"]

        assert [one for one in seen if one in made] == sorted(made, reverse=True)
        assert len(seen) == len(set(seen))

    def test_filters(self, api: API) -> None:
        for kind, subject in (("order.paid", "a"), ("order.sent", "b"), ("user.made", "a")):
            EventFactory(organization=api.organization, type=kind, subject=subject)

        def kinds(**query: str) -> set[str]:
            return {row["type"] for row in api.get("/api/events", **query).json()["results"]}

        assert kinds(type="order.paid") == {"order.paid"}
        assert kinds(type="order.*") == {"order.paid", "order.sent"}
        assert kinds(subject="a") == {"order.paid", "user.made"}
        assert kinds(type="order.*", subject="a") == {"order.paid"}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ({"cursor": "x"}, "cursor"),
            ({"limit": ""}, "limit"),
            ({"limit": "0"}, "limit"),
            ({"limit": "201"}, "limit"),
            ({"kind": "a"}, "kind"),
        ],
    )
    def test_refuses_wrong_parameters(self, api: API, query: dict[str, str], field: str) -> None:
        answer = api.get("/api/events", **query)

        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_tells_an_events_story(self, api: API) -> None:
        route = RouteFactory(organization=api.organization)
        identifier = api.post("/api/events", EVENT).json()["id"]

        held = api.get(f"/api/events/{identifier}").json()

        assert held["data"] == EVENT["data"]
        assert held["routing"][0]["outcome"] == "queued"
        assert held["deliveries"][0]["integration"] == route.integration.slug
        assert held["deliveries"][0]["state"] == "pending"
        assert [step["kind"] for step in held["story"]] == ["received", "routing", "queued", "waiting"]
        assert json.dumps(held)

    @pytest.mark.parametrize("whose", ["stranger", "nobody", "no id"])
    def test_another_organizations_event_is_not_there(self, api: API, whose: str) -> None:
        identifier = {"stranger": str(EventFactory().pk), "no id": "x"}.get(
            whose, "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f"
        )

        assert api.get(f"/api/events/{identifier}").status_code == 404
