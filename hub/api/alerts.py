"""Alerts by the API: the event ``hub.alert``, as the hub raises it itself (``hub.events.alerts``)."""

from typing import Any, Literal

from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import choice, only_known, page, since_until
from hub.api.problems import FieldProblem
from hub.api.representations import event_facts
from hub.config.document import Entry
from hub.events.alerts import TYPE
from hub.events.intake import Draft, IntakeError, accept_event
from hub.events.models import Event
from integrations.base.capabilities import IncidentTrigger
from integrations.base.inputs import sentence

SEVERITIES = ["critical", "error", "warning", "info"]
NOBODY = (
    "No route takes hub.alert, so nobody is told: make a route for it to an integration that triggers "
    "incidents, posts messages or sends mail."
)


class AlertIn(Entry):
    """Something that somebody should look at."""

    summary: str = Field(min_length=1, max_length=1024, description="What happened, in one line.")
    severity: Literal["critical", "error", "warning", "info"] = "error"
    source: str = Field("api", min_length=1, max_length=255, description="The system it happened in.")
    dedup_key: str = Field("", max_length=200, description="Joins further alerts to one incident.")
    component: str = Field("", max_length=255)
    group: str = Field("", max_length=255)
    details: dict[str, Any] = Field(default_factory=dict, description="Anything that helps, by name.")
    link: str = Field("", max_length=2000, description="Web address with more about it.")


SENT: dict[str, Any] = {
    "summary": "Nightly import did not finish",
    "severity": "critical",
    "source": "batch-7",
    "dedup_key": "nightly-import",
    "details": {"rows": 1042},
}
RAISED: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "items": 1,
    "duplicate": False,
    "warnings": [],
}
LISTED: dict[str, Any] = {
    "id": RAISED["id"],
    "type": TYPE,
    "subject": "nightly-import",
    "source": "batch-7",
    "time": "2026-01-31T12:00:00Z",
    "received_at": "2026-01-31T12:00:00Z",
    "origin": "api",
    "idempotency_key": None,
    "warnings": [],
    "data": SENT,
}


class AlertView(HubView):
    """``/api/integrations/alert``."""

    required_scope = {"GET": Scope.EVENTS_READ, "POST": Scope.ALERTS_WRITE}

    @extend_schema(
        operation_id="raiseAlert",
        summary="Raise an alert",
        description="Makes the event `hub.alert`, which the organization's routes bring to its channels: "
        "incidents, messages, mail. Its data fits `incident.trigger` as it is.",
        request={"application/json": AlertIn},
        responses=schemas.answers({202: schemas.ACCEPTED}, 400, 413, 415),
        examples=[
            OpenApiExample("An alert", SENT, request_only=True),
            schemas.example("It is on its way", RAISED, 202),
        ],
        tags=["Alerts"],
    )
    def post(self, request: Request) -> Response:
        """Accept an alert; the answer comes after the commit."""
        asked = self.body(AlertIn)
        data = _checked(asked)
        draft = Draft(TYPE, data, subject=asked.dedup_key or asked.summary[:200], source=asked.source)
        try:
            accepted = accept_event(self.organization, draft, origin="api")
        except IntakeError as error:
            raise FieldProblem(
                [(problem.field, f"'{problem.field}' {problem.message}") for problem in error.problems]
            ) from None
        warnings = [*accepted.warnings, *([] if accepted.items else [NOBODY])]
        answer = {
            "id": accepted.event_id,
            "items": accepted.items,
            "duplicate": accepted.duplicate,
            "warnings": warnings,
        }
        return Response(answer, 202, headers={"Location": f"/api/events/{accepted.event_id}"})

    @extend_schema(
        operation_id="listAlerts",
        summary="List alerts, newest first",
        description="How each one travelled is told by `/api/events/{id}`.",
        parameters=[
            schemas.query("severity", f"One of: {', '.join(SEVERITIES)}.", enum=SEVERITIES),
            *schemas.SINCE_UNTIL,
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.ALERT_PAGE}, 400),
        examples=[schemas.page_example("Alerts", LISTED)],
        tags=["Alerts"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's alerts."""
        only_known(request, "severity", "since", "until")
        rows = Event.objects.filter(organization=self.organization, type=TYPE, **since_until(request))
        if severity := choice(request, "severity", SEVERITIES):
            rows = rows.filter(data__severity=severity)
        return page(request, rows.defer("routing"), lambda row: {**event_facts(row), "data": row.data})


def _checked(asked: AlertIn) -> dict[str, Any]:
    """Return the data of the event, in the form that every incident system takes; raise FieldProblem."""
    try:
        data = IncidentTrigger.model_validate(asked.model_dump())
    except ValidationError as error:
        found = [
            (".".join(map(str, entry["loc"])), sentence(entry)) for entry in error.errors(include_url=False)
        ]
        raise FieldProblem([(name, f"'{name}': {said}.") for name, said in found]) from None
    return data.model_dump(mode="json", exclude_defaults=True) | {"severity": data.severity}
