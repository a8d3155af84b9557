"""What requests and answers look like, for the API's description. Nothing is parsed with these."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, inline_serializer
from pydantic import BaseModel, create_model
from rest_framework import serializers

JSON = "application/json"
DATETIME, STRING = OpenApiTypes.DATETIME, OpenApiTypes.STR
#: What a change may come as.
PATCHES = (JSON, "application/merge-patch+json")


def shape(name: str, fields: Mapping[str, serializers.Field]) -> Any:
    """Return the description of an object with ``fields``."""
    return type(inline_serializer(name=name, fields=dict(fields)))


def text(help_text: str = "", **options: Any) -> serializers.Field:
    """Describe a text, which may be empty."""
    return serializers.CharField(help_text=help_text, allow_blank=True, **options)


def number(help_text: str = "", **options: Any) -> serializers.Field:
    """Describe a whole number."""
    return serializers.IntegerField(help_text=help_text, **options)


def moment(help_text: str = "", **options: Any) -> serializers.Field:
    """Describe a time."""
    return serializers.DateTimeField(help_text=help_text, **options)


def identifier(**options: Any) -> serializers.Field:
    """Describe an id."""
    return serializers.UUIDField(**options)


def texts() -> serializers.Field:
    """Describe a list of texts."""
    return serializers.ListField(child=serializers.CharField())


FIELD_ERROR = shape(
    "FieldError", {"field": text("In a batch with the index: events[3].type"), "message": text()}
)
PROBLEM_BODY = shape(
    "Problem",
    {
        "type": text(default="about:blank"),
        "title": text(),
        "status": number(),
        "detail": text(),
        "errors": FIELD_ERROR(many=True, required=False),
        "request_id": text(required=False),
    },
)
EVENT_IN = shape(
    "EventIn",
    {
        "type": serializers.CharField(max_length=200, help_text="For example order.paid"),
        "data": serializers.JSONField(required=False, help_text="Any JSON."),
        "subject": text("What the event is about.", required=False, allow_null=True, max_length=200),
        "source": text("Where it happened.", required=False, allow_null=True, max_length=500),
        "time": moment("When it happened; now, unless given.", required=False, allow_null=True),
        "idempotency_key": text(
            "The same key is accepted once.", required=False, allow_null=True, max_length=255
        ),
        "deliver_at": moment("Not to be delivered before.", required=False, allow_null=True),
    },
)
EVENT_BATCH = shape("EventBatch", {"events": EVENT_IN(many=True, help_text="At most 500.")})
ACCEPTED = shape(
    "Accepted",
    {
        "id": identifier(),
        "items": number("Deliveries that were queued."),
        "duplicate": serializers.BooleanField(help_text="The idempotency key was accepted before."),
        "warnings": texts(),
    },
)
ACCEPTED_BATCH = shape("AcceptedBatch", {"events": ACCEPTED(many=True)})
_EVENT: dict[str, serializers.Field] = {
    "id": identifier(),
    "type": text(),
    "subject": text(),
    "source": text(),
    "time": moment(),
    "received_at": moment(),
    "origin": text("api, webhook, admin, hub or replay"),
    "idempotency_key": text(allow_null=True),
    "warnings": texts(),
}
EVENT = shape("Event", _EVENT)
_ATTEMPT: dict[str, serializers.Field] = {
    "log_id": number(),
    "at": moment(),
    "integration": text(),
    "action": text(),
    "attempt": number(),
    "outcome": text("ok, or the kind of the error."),
    "message": text(),
    "hint": text("What to do."),
    "status_code": number(allow_null=True),
    "duration_ms": number(),
}
ATTEMPT = shape("Attempt", _ATTEMPT)
DELIVERY = shape(
    "Delivery",
    {
        "item": identifier(),
        "integration": text(),
        "action": text(),
        "route": text(),
        "state": text("pending, processing, completed, failed, cancelled or skipped"),
        "sentence": text("Where it stands, and why."),
        "due_at": moment(),
        "finished_at": moment(allow_null=True),
        "external_id": text("What the provider calls what was made."),
        "idempotency_key": text("What the provider is given, the same on every attempt."),
        "replay_of": identifier(allow_null=True),
        "attempts": ATTEMPT(many=True),
    },
)
STEP = shape(
    "Step",
    {
        "at": moment(),
        "kind": text(),
        "state": text("ok, info, waiting or error"),
        "title": text(),
        "text": text(),
        "item": identifier(allow_null=True),
        "log_id": number(allow_null=True),
    },
)
ROUTING = shape(
    "Routing",
    {
        "route": text("Id of the route; empty where somebody sent the event by hand."),
        "name": text(),
        "outcome": text("queued, filtered, disabled or error"),
        "reason": text(),
    },
)
STORY = shape(
    "Story",
    {
        **_EVENT,
        "data": serializers.JSONField(allow_null=True),
        "summary": text(),
        "state": text("ok, info, waiting or error"),
        "routing": ROUTING(many=True),
        "deliveries": DELIVERY(many=True),
        "story": STEP(many=True),
    },
)
LAST_TEST = shape(
    "LastTest",
    {
        "at": moment(),
        "ok": serializers.BooleanField(),
        "message": text(),
        "latency_ms": number(allow_null=True),
    },
)
_INTEGRATION: dict[str, serializers.Field] = {
    "id": identifier(),
    "slug": text(),
    "name": text(),
    "provider": text(),
    "sandbox": serializers.BooleanField(),
    "status": text("active, paused or reconnect"),
    "status_reason": text(),
    "circuit": text("closed, open or half_open"),
    "account": text(),
    "last_test": LAST_TEST(allow_null=True),
}
INTEGRATION_STATUS = shape("IntegrationStatus", _INTEGRATION)
INTEGRATION_LIST = shape("IntegrationList", {"integrations": INTEGRATION_STATUS(many=True)})
_HEALTH: dict[str, serializers.Field] = {
    **_INTEGRATION,
    "health": text("ok, unused, degraded, paused, down or reconnect"),
    "sentence": text(),
    "success_rate_24h": serializers.FloatField(allow_null=True, help_text="0 to 1"),
    "succeeded_24h": number(),
    "failed_24h": number(),
    "queue_depth": number(),
    "in_flight": number(),
    "failed_items": number(),
    "oldest_due": moment(allow_null=True),
}
HEALTH = shape("Health", _HEALTH)
HEALTH_LIST = shape(
    "HealthList",
    {"health": text("The worst of the integrations' health."), "integrations": HEALTH(many=True)},
)
HOUR = shape("Hour", {"start": moment(), "succeeded": number(), "failed": number()})
TROUBLE = shape(
    "Trouble",
    {
        "at": moment(),
        "kind": text(),
        "message": text(),
        "hint": text(),
        "log_id": number(),
        "item": identifier(allow_null=True),
        "event": identifier(allow_null=True),
    },
)
ONE_HEALTH = shape("OneHealth", {**_HEALTH, "hours": HOUR(many=True), "problems": TROUBLE(many=True)})
TEST_OUTCOME = shape(
    "TestOutcome",
    {
        "ok": serializers.BooleanField(),
        "message": text(),
        "hint": text(),
        "latency_ms": number(),
        "account": text(),
    },
)
EXCHANGES = serializers.ListField(
    child=serializers.JSONField(), required=False, help_text="Only with exchanges=true; masked."
)
LOG = shape(
    "LogEntry",
    {
        **_ATTEMPT,
        "kind": text(),
        "item": identifier(allow_null=True),
        "event": identifier(allow_null=True),
        "exchanges": EXCHANGES,
    },
)
EVENT_PAGE = shape("EventPage", {"results": EVENT(many=True), "next_cursor": text(allow_null=True)})
LOG_PAGE = shape("LogPage", {"results": LOG(many=True), "next_cursor": text(allow_null=True)})

ALERT = shape("Alert", {**_EVENT, "data": serializers.JSONField(help_text="As it was raised.")})
ALERT_PAGE = shape("AlertPage", {"results": ALERT(many=True), "next_cursor": text(allow_null=True)})
ITEM = shape(
    "QueueItem",
    {
        "id": identifier(),
        "event": identifier(help_text="What is delivered; of a sync's item its record."),
        "event_type": text(),
        "subject": text(),
        "integration": text(),
        "action": text(),
        "state": text("pending, processing, completed, failed, cancelled or skipped"),
        "priority": text("low, normal, high or urgent"),
        "due_at": moment(),
        "attempts": number(),
        "error_kind": text(),
        "error": text("Why the last attempt did not succeed."),
        "external_id": text("What the provider calls what was made."),
        "replay_of": identifier(allow_null=True),
        "created_at": moment(),
        "finished_at": moment(allow_null=True),
    },
)
ITEM_PAGE = shape("QueueItemPage", {"results": ITEM(many=True), "next_cursor": text(allow_null=True)})
CHANGE = shape(
    "Change",
    {
        "kind": text("create, change or delete"),
        "what": text("route"),
        "slug": text(),
        "lines": serializers.ListField(child=text(), help_text="A line per value that differs."),
    },
)
REPORT = shape(
    "ConfigReport",
    {"dry_run": serializers.BooleanField(), "changes": CHANGE(many=True), "summary": text()},
)
CONFIG_PROBLEM = shape("ConfigProblem", {"place": text("routes[2].integration"), "message": text()})
RELOADED = shape(
    "Reloaded",
    {
        "integrations": number(),
        "mappings": number(),
        "routes": number(),
        "problems": CONFIG_PROBLEM(many=True),
    },
)
CHANGED = shape("Changed", {"changed": number("Items that were changed."), "asked": number()})
REPLAYED = shape(
    "Replayed",
    {"event": identifier(), "items": ITEM(many=True), "decisions": ROUTING(many=True)},
)
DESTINATION = shape(
    "Destination",
    {
        "integration": text(),
        "action": text(),
        "fallback": serializers.BooleanField(),
        "deliveries": number(),
        "waiting_before": number("Items that wait there already."),
        "limit": text("The rate that holds there."),
        "seconds": serializers.FloatField(allow_null=True),
        "held": text("Why nothing is sent there now."),
    },
)
IMPACT = shape(
    "Impact",
    {
        "days": number(),
        "matching_events": number(),
        "exact": serializers.BooleanField(help_text="Counted; else estimated from a sample."),
        "events_a_day": serializers.FloatField(),
        "destinations": DESTINATION(many=True),
        "seconds": serializers.FloatField(
            allow_null=True, help_text="To send them all; null: nobody can say."
        ),
        "sentence": text(),
    },
)

PROBLEM = {
    code: OpenApiResponse(PROBLEM_BODY, description=said)
    for code, said in {
        400: "Something in the request is not accepted; errors names each field.",
        401: "No valid API key.",
        403: "The key lacks the scope.",
        404: "There is no such thing in the key's organization.",
        406: "The API answers in JSON, reports also in CSV.",
        409: "It does not go together with what there is, or is under way already; detail says what.",
        410: "It was there, and is no more.",
        412: "It was changed since it was read.",
        413: "Too large; detail names the limit.",
        415: "A body of a kind that is not taken here.",
        422: "The Idempotency-Key was sent with another call already.",
        424: "The provider did not do what was asked; detail says why.",
        428: "If-Match is missing.",
        429: "Too many requests; Retry-After says how long to wait.",
    }.items()
}
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="next_cursor of the page before.")
LIMIT = OpenApiParameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    description="Rows of a page: 1 to 200, 50 unless given.",
)
INTEGRATION = OpenApiParameter(
    "integration", OpenApiTypes.STR, OpenApiParameter.PATH, description="Slug or id."
)


SINCE_UNTIL = (
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="From this time on, with its zone."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before this time."),
)


def query(
    name: str, description: str, kind: Any = OpenApiTypes.STR, enum: Sequence[str] | None = None
) -> OpenApiParameter:
    """Return the description of one query parameter."""
    return OpenApiParameter(name, kind, description=description, enum=enum)


def example(name: str, value: Any, status: int = 200, kind: str = JSON) -> OpenApiExample:
    """Return an example of an answer."""
    return OpenApiExample(name, value, response_only=True, status_codes=[str(status)], media_type=kind)


def page_example(name: str, *rows: Any) -> OpenApiExample:
    """Return the example of a page."""
    return example(name, {"results": list(rows), "next_cursor": None})


def patch_examples(name: str, value: Any) -> list[OpenApiExample]:
    """Return the examples of a change, one for each kind it may come as."""
    return [OpenApiExample(name, value, request_only=True, media_type=kind) for kind in PATCHES]


def pages_of(name: str, row: type[BaseModel]) -> type[BaseModel]:
    """Return the form of a page of rows."""
    rows: Any = list[row]  # type: ignore[valid-type]
    return create_model(f"{name}Page", results=(rows, ...), next_cursor=(str | None, ...))


def answers(success: dict[Any, Any], *problems: int) -> dict[Any, Any]:
    """Return the answers of an operation: its successes and the problems it may end with."""
    common = {401, 403, 429, *problems}
    return {
        **success,
        **{(code, "application/problem+json"): PROBLEM[code] for code in sorted(common)},
    }
