"""What requests and answers look like, for the API's description. Nothing is parsed with these."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import serializers


class APIKeyScheme(OpenApiAuthenticationExtension):
    """Both ways in which a key is sent."""

    target_class = "hub.api.authentication.APIKeyAuthentication"
    name = ["apiKey", "apiKeyHeader"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes."""
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key: ick_…"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]


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
        "subject": text("What the event is about.", required=False, max_length=200),
        "source": text("Where it happened.", required=False, max_length=500),
        "time": moment("When it happened; now, unless given.", required=False),
        "idempotency_key": text("The same key is accepted once.", required=False, max_length=255),
        "deliver_at": moment("Not to be delivered before.", required=False),
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
    "origin": text("api, webhook, admin or replay"),
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
        "route": identifier(),
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

PROBLEM = {
    code: OpenApiResponse(PROBLEM_BODY, description=said)
    for code, said in {
        400: "Something in the request is not accepted; errors names each field.",
        401: "No valid API key.",
        403: "The key lacks the scope.",
        404: "There is no such thing in the key's organization.",
        409: "It is under way already; detail says what.",
        413: "Too large; detail names the limit.",
        415: "A body of a kind that is not taken here.",
        429: "Too many requests; Retry-After says how long to wait.",
    }.items()
}
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="next_cursor of the page before.")
LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="Rows of a page: 1 to 200, 50 unless given.")
INTEGRATION = OpenApiParameter(
    "integration", OpenApiTypes.STR, OpenApiParameter.PATH, description="Slug or id."
)


def query(name: str, description: str, kind: Any = OpenApiTypes.STR) -> OpenApiParameter:
    """Return the description of one query parameter."""
    return OpenApiParameter(name, kind, description=description)


def answers(success: dict[int, Any], *problems: int) -> dict[Any, Any]:
    """Return the answers of an operation: its successes and the problems it may end with."""
    common = {401, 403, 429, *problems}
    return {
        **success,
        **{(code, "application/problem+json"): PROBLEM[code] for code in sorted(common)},
    }
