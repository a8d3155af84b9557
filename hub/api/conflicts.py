"""Conflicts by the API: what both sides changed, and which of them is right."""

from typing import Any, Literal

from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import as_number, choice, only_known, page
from hub.api.problems import Conflict as Taken
from hub.api.problems import FieldProblem
from hub.audit.actors import present
from hub.config.document import Entry
from hub.sync.conflicts import Overtaken, Undecided, decide
from hub.sync.models import Conflict

Side = Literal["hub", "provider"]


class DecisionIn(Entry):
    """Which side is right: for all fields, or for each."""

    choice: Side | None = Field(None, description="The side that wins every field.")
    fields: dict[str, Side] = Field(default_factory=dict, description="Field → the side that wins it.")


CONFLICT = schemas.shape(
    "Conflict",
    {
        "id": schemas.number(),
        "sync": schemas.text("Slug of the sync that found it."),
        "integration": schemas.text("Its slug."),
        "type": schemas.text("Name of the record type."),
        "key": schemas.text("Key of the record."),
        "fields": serializers.JSONField(help_text='Field → {"hub": value, "provider": value}.'),
        "chosen": schemas.text("Empty while it is open; else hub, provider, fields or agreed."),
        "created_at": schemas.moment(),
        "decided_at": schemas.moment(allow_null=True),
    },
)
CONFLICTS = schemas.shape(
    "ConflictList", {"results": CONFLICT(many=True), "next_cursor": schemas.text(allow_null=True)}
)
A_CONFLICT: dict[str, Any] = {
    "id": 7,
    "sync": "customers-from-crm",
    "integration": "crm",
    "type": "customer",
    "key": "ann@example.com",
    "fields": {"phone": {"hub": "+49 30 1", "provider": "+49 30 2"}},
    "chosen": "",
    "created_at": "2026-01-31T12:00:00Z",
    "decided_at": None,
}


class ConflictsView(HubView):
    """``/api/sync-conflicts``."""

    required_scope = Scope.RECORDS_READ

    @extend_schema(
        operation_id="listConflicts",
        summary="Records that both sides changed",
        description="Newest first; the open ones, unless `state` asks for others.",
        parameters=[
            schemas.query("state", "open (the default), decided or all"),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: CONFLICTS}, 400),
        examples=[schemas.example("A page", {"results": [A_CONFLICT], "next_cursor": None})],
        tags=["Sync"],
    )
    def get(self, request: Request) -> Response:
        """List conflicts."""
        only_known(request, "state")
        state = choice(request, "state", ["open", "decided", "all"])
        rows = Conflict.objects.filter(organization=self.organization).select_related(
            "sync", "integration", "record__type"
        )
        if state != "all":
            rows = rows.exclude(chosen="") if state == "decided" else rows.filter(chosen="")
        return page(request, rows, conflict_facts)


class ConflictView(HubView):
    """``/api/sync-conflicts/{id}``."""

    required_scope = Scope.RECORDS_WRITE

    @extend_schema(
        operation_id="decideConflict",
        summary="Say which side is right",
        description="What the hub wins goes out with the next push; what the integration wins is kept here.",
        request={"application/json": DecisionIn},
        responses=schemas.answers({200: CONFLICT}, 400, 404, 409, 413, 415),
        examples=[
            OpenApiExample("The hub wins", {"choice": "hub"}, request_only=True),
            schemas.example("Decided", {**A_CONFLICT, "chosen": "hub", "decided_at": "2026-01-31T12:05:00Z"}),
        ],
        tags=["Sync"],
    )
    def post(self, request: Request, id: str) -> Response:
        """Decide."""
        rows = Conflict.objects.filter(organization=self.organization)
        found = (
            rows.select_related("sync", "integration", "record__type").filter(pk=as_number(id) or 0).first()
        )
        if found is None:
            raise NotFound(f"There is no conflict {id!r} in this organization.")
        asked = self.body(DecisionIn)
        if bool(asked.choice) == bool(asked.fields):
            raise FieldProblem([("choice", "Say either 'choice' or 'fields'.")])
        try:
            decide(found, asked.choice or dict(asked.fields), present().name)
        except Overtaken as error:
            raise Taken(str(error)) from None
        except Undecided as error:
            raise FieldProblem([("fields" if asked.fields else "choice", str(error))]) from None
        found.refresh_from_db()
        return Response(conflict_facts(found))


def conflict_facts(row: Conflict) -> dict[str, Any]:
    """Return a conflict as the API shows it."""
    return {
        "id": row.pk,
        "sync": row.sync.slug,
        "integration": row.integration.slug,
        "type": row.record.type.name,
        "key": row.record.key,
        "fields": row.fields,
        "chosen": row.chosen,
        "created_at": row.created_at,
        "decided_at": row.decided_at,
    }
