"""Events by the API: sending them, listing them, and each one's story."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import APIKey, Organization, Scope
from hub.api import schemas
from hub.api.base import HubView, row_of
from hub.api.direct import answer_directly
from hub.api.pagination import choice, only_known, page, since_until
from hub.api.people import Person
from hub.api.problems import FieldProblem
from hub.api.reading import BATCH, STRUCTURED, Posted, field_name, read_events
from hub.api.representations import event_facts, item_facts, story_facts
from hub.config.document import Entry
from hub.delivery.models import QueueItem
from hub.events.intake import Accepted, IntakeError, accept_events
from hub.events.models import Event, Route
from hub.events.replay import replay_event
from hub.events.story import story

ORDER: dict[str, Any] = {
    "type": "order.paid",
    "subject": "order-1042",
    "data": {"id": "1042", "email": "ann@example.com", "total": "12.50", "currency": "EUR"},
    "idempotency_key": "order-1042-paid",
}
CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "https://shop.example.com",
    "type": "order.paid",
    "subject": "order-1042",
    "time": "2026-01-31T12:00:00Z",
    "data": {"id": "1042", "total": "12.50"},
}
ACCEPTED = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "items": 2,
    "duplicate": False,
    "warnings": [],
}
SHOWN: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "type": "order.paid",
    "subject": "order-1042",
    "source": "https://shop.example.com",
    "time": "2026-01-31T12:00:00Z",
    "received_at": "2026-01-31T12:00:01Z",
    "origin": "api",
    "idempotency_key": "order-1042-paid",
    "warnings": [],
}
TOLD: dict[str, Any] = {
    **SHOWN,
    "data": ORDER["data"],
    "summary": "Delivered to 1 of 1.",
    "state": "ok",
    "routing": [],
    "deliveries": [],
    "story": [],
}
REPLAYED: dict[str, Any] = {"event": SHOWN["id"], "items": [], "decisions": []}
#: Where events come from.
ORIGINS = ["api", "webhook", "admin", "replay", "hub"]
ACCEPTED_OR_BATCH = PolymorphicProxySerializer(
    "AcceptedOrBatch", [schemas.ACCEPTED, schemas.ACCEPTED_BATCH], resource_type_field_name=None
)
EXAMPLES = [
    OpenApiExample("One event", ORDER, request_only=True, media_type="application/json"),
    OpenApiExample("A batch", {"events": [ORDER]}, request_only=True, media_type="application/json"),
    OpenApiExample("CloudEvent", CLOUD_EVENT, request_only=True, media_type=STRUCTURED),
    OpenApiExample("CloudEvents", [CLOUD_EVENT], request_only=True, media_type=BATCH),
    OpenApiExample("One event", ACCEPTED, response_only=True, status_codes=["202"]),
    OpenApiExample("A batch", {"events": [ACCEPTED]}, response_only=True, status_codes=["202"]),
]
POST_HELP = """Send one event, or up to 500 at once, each of at most 1 MiB.

Plain JSON, or CloudEvents 1.0: structured, binary (`ce-` headers) or as a batch. The answer comes after the
commit: what is answered with 202 is kept. A batch is accepted as a whole or not at all. Sending the same
`idempotency_key` again (or the header `Idempotency-Key`; for a CloudEvent its `source` and `id`) answers with
the first event and `duplicate: true`."""


class EventsView(HubView):
    """``/api/events``: send and list."""

    required_scope = {"POST": Scope.EVENTS_WRITE, "GET": Scope.EVENTS_READ}
    #: A repeated event is known by the event itself; see ``hub.api.reading``.
    own_idempotency = True

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let POST do without the framework; see ``hub.api.direct``."""
        if request.method == "POST":
            return answer_directly(request, Scope.EVENTS_WRITE, self.post)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        operation_id="sendEvents",
        summary="Send events",
        description=POST_HELP,
        request={
            "application/json": PolymorphicProxySerializer(
                "EventOrBatch", [schemas.EVENT_IN, schemas.EVENT_BATCH], resource_type_field_name=None
            ),
            STRUCTURED: {"type": "object", "description": "A CloudEvent 1.0."},
            BATCH: {"type": "array", "items": {"type": "object"}, "description": "CloudEvents 1.0."},
        },
        responses=schemas.answers({202: ACCEPTED_OR_BATCH}, 400, 413, 415),
        examples=EXAMPLES,
        tags=["Events"],
    )
    def post(self, request: HttpRequest, key: APIKey | Person) -> HttpResponse:
        """Accept what was posted; the answer comes after the commit."""
        posted = read_events(request)
        try:
            accepted = accept_events(key.organization, posted.drafts, origin="api")
        except IntakeError as error:
            raise _refusal(error, posted) from None
        answers = [_answer(one) for one in accepted]
        if posted.is_batch:
            return _accepted_answer({"events": answers})
        answer = _accepted_answer(answers[0])
        answer.headers["Location"] = f"/api/events/{accepted[0].event_id}"
        return answer

    @extend_schema(
        operation_id="listEvents",
        summary="List events, newest first",
        parameters=[
            schemas.query("type", "A type (order.paid), or the beginning of types (order.*)."),
            schemas.query("subject", "What the events are about."),
            schemas.query("idempotency_key", "The key an event was sent with."),
            schemas.query("source", "Where the events happened."),
            schemas.query("origin", f"One of: {', '.join(ORIGINS)}.", enum=ORIGINS),
            *schemas.SINCE_UNTIL,
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.EVENT_PAGE}, 400),
        examples=[schemas.page_example("Events", SHOWN)],
        tags=["Events"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's events, without their data."""
        only_known(request, "type", "subject", "idempotency_key", "source", "origin", "since", "until")
        rows = Event.objects.filter(organization=self.organization, **since_until(request))
        rows = rows.defer("data", "routing")
        if origin := choice(request, "origin", ORIGINS):
            rows = rows.filter(origin=origin)
        for name in ("subject", "idempotency_key", "source"):
            if value := request.query_params.get(name):
                rows = rows.filter(**{name: value})
        wanted = request.query_params.get("type", "")
        if wanted.endswith("*"):
            rows = rows.filter(type__startswith=wanted[:-1])
        elif wanted:
            rows = rows.filter(type=wanted)
        return page(request, rows, event_facts)


class EventView(HubView):
    """``/api/events/{id}``: one event's story."""

    required_scope = Scope.EVENTS_READ

    @extend_schema(
        operation_id="readEvent",
        summary="An event and its story",
        description="The event, what each route decided, and every delivery with its attempts.",
        responses=schemas.answers({200: schemas.STORY}, 404),
        examples=[schemas.example("A story", TOLD)],
        tags=["Events"],
    )
    def get(self, request: Request, id: str) -> Response:
        """Tell the story of one event."""
        return Response(story_facts(story(find_event(self.organization, id))))


class ReplayIn(Entry):
    """What to send the event to."""

    routes: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="Slugs or ids of routes, which then take it whatever their filters say; none: all that "
        "want it now.",
    )


class ReplayView(HubView):
    """``/api/events/{id}/replay``."""

    http_method_names = ["post"]
    required_scope = Scope.QUEUE_OPERATE

    @extend_schema(
        operation_id="replayEvent",
        summary="Deliver an event again",
        description="Queues it anew, under new idempotency keys: providers are meant to act again. The "
        "answer says what each route decided. The body may be left out.",
        request={"application/json": ReplayIn},
        responses=schemas.answers({202: schemas.REPLAYED}, 400, 404, 413, 415),
        examples=[
            OpenApiExample("To one route", {"routes": ["paid-orders"]}, request_only=True),
            schemas.example("What was queued", REPLAYED, 202),
        ],
        tags=["Events"],
    )
    def post(self, request: Request, id: str) -> Response:
        """Queue the event anew."""
        event = find_event(self.organization, id)
        routes = self._routes(self.body(ReplayIn).routes) if self.raw_body else None
        before = len(event.routing)
        items = replay_event(event, routes)
        event.refresh_from_db(fields=["routing"])
        rows = QueueItem.objects.filter(pk__in=[item.pk for item in items]).select_related("integration")
        answer = {
            "event": event.pk,
            "items": [item_facts(row) for row in rows],
            "decisions": event.routing[before:],
        }
        return Response(answer, status=202)

    def _routes(self, named: list[str]) -> list[Route] | None:
        known = {key: row for row in self.organization.routes.all() for key in (str(row.pk), row.slug)}
        unknown = [(f"routes[{at}]", f"There is no route {each!r}.") for at, each in enumerate(named)]
        if errors := [error for error, each in zip(unknown, named, strict=True) if each not in known]:
            raise FieldProblem(errors)
        return list({known[each].pk: known[each] for each in named}.values()) or None


def find_event(organization: Organization, named: str) -> Event:
    """Return the organization's event with this id; raise NotFound."""
    return row_of(Event.objects.filter(organization=organization), named, "event")


def _accepted_answer(data: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(data), status=202, content_type="application/json")


def _answer(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": accepted.event_id,
        "items": accepted.items,
        "duplicate": accepted.duplicate,
        "warnings": list(accepted.warnings),
    }


def _refusal(error: IntakeError, posted: Posted) -> FieldProblem:
    batch = posted.is_batch
    errors = [
        (field_name(problem.field, problem.index if batch else None), f"'{problem.field}' {problem.message}")
        for problem in error.problems
    ]
    detail = f"None of the {len(posted.drafts)} events was accepted: mend these first." if batch else ""
    return FieldProblem(errors, detail=detail)
