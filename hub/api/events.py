"""Events by the API: sending them, listing them, and each one's story."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import APIKey, Scope
from hub.api import schemas
from hub.api.base import HubView, as_uuid
from hub.api.direct import answer_directly
from hub.api.pagination import only_known, page
from hub.api.problems import FieldProblem
from hub.api.reading import BATCH, STRUCTURED, Posted, field_name, read_events
from hub.api.representations import event_facts, story_facts
from hub.events.intake import Accepted, IntakeError, accept_events
from hub.events.models import Event
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
    def post(self, request: HttpRequest, key: APIKey) -> HttpResponse:
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
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.EVENT_PAGE}, 400),
        tags=["Events"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's events, without their data."""
        only_known(request, "type", "subject", "idempotency_key")
        rows = Event.objects.filter(organization=self.organization).defer("data", "routing")
        for name in ("subject", "idempotency_key"):
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
        tags=["Events"],
    )
    def get(self, request: Request, id: str) -> Response:
        """Tell the story of one event."""
        identifier = as_uuid(id)
        rows = Event.objects.filter(organization=self.organization)
        found = rows.filter(pk=identifier).first() if identifier else None
        if found is None:
            raise NotFound(f"There is no event {id!r} in this organization.")
        return Response(story_facts(story(found)))


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
