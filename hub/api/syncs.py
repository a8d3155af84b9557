"""Syncs by the API: starting a run, and following it."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView, as_uuid
from hub.api.problems import FieldProblem
from hub.mapping.expressions import ExpressionError
from hub.sync.models import Direction, Sync, SyncRun
from hub.sync.starting import AlreadyOpen, start

FIELDS = ("integration", "type", "direction", "sync", "filter", "dry_run", "full")
SYNC_IN = schemas.shape(
    "SyncIn",
    {
        "integration": schemas.text("Slug or id."),
        "type": schemas.text("Name of a record type."),
        "direction": serializers.ChoiceField(["push", "pull"]),
        "sync": schemas.text("Slug of the sync, where several fit.", required=False),
        "filter": schemas.text("JMESPath over a record, data.country == 'FR'.", required=False),
        "dry_run": serializers.BooleanField(required=False, help_text="Count, but change nothing."),
        "full": serializers.BooleanField(required=False, help_text="A pull reads everything again."),
    },
)
RUN = schemas.shape(
    "SyncRun",
    {
        "id": schemas.identifier(),
        "sync": schemas.text("Slug of the sync."),
        "state": schemas.text("pending, running, paused, completed, failed or cancelled"),
        "dry_run": serializers.BooleanField(),
        "percent": schemas.number(allow_null=True),
        "total": schemas.number(allow_null=True),
        "created": schemas.number(),
        "updated": schemas.number(),
        "deleted": schemas.number(),
        "unchanged": schemas.number(),
        "rejected": schemas.number(),
        "skipped": schemas.number(),
        "rows_per_second": serializers.FloatField(),
        "message": schemas.text(),
        "created_at": schemas.moment(),
        "started_at": schemas.moment(allow_null=True),
        "finished_at": schemas.moment(allow_null=True),
    },
)


class Conflict(APIException):
    """What is asked for is under way already."""

    status_code = 409
    default_code = "conflict"


class SyncView(HubView):
    """``/api/integrations/sync``."""

    required_scope = Scope.SYNC_RUN

    @extend_schema(
        operation_id="startSync",
        summary="Start a run of a sync",
        description="The sync itself is set up in the admin. Answers 409 while its last run is not over.",
        request={"application/json": SYNC_IN},
        responses=schemas.answers({202: RUN}, 400, 404, 409),
        examples=[
            OpenApiExample(
                "A push",
                {"integration": "crm", "type": "customer", "direction": "push", "dry_run": True},
                request_only=True,
            )
        ],
        tags=["Sync"],
    )
    def post(self, request: Request) -> Response:
        """Start a run."""
        asked = _read(request.data)
        options = {"dry_run": asked["dry_run"], "filter": asked["filter"], "full": asked["full"]}
        try:
            run = start(self._sync(asked), origin="api", **options)
        except ExpressionError as error:
            raise FieldProblem([("filter", f"'filter' is no JMESPath expression: {error}")]) from None
        except AlreadyOpen as error:
            named = f" It is {error.run.pk}." if error.run else ""
            raise Conflict(f"{error}{named}") from None
        return Response(run_facts(run), status=202, headers={"Location": _url(run)})

    def _sync(self, asked: dict[str, Any]) -> Sync:
        integration = self.integration(asked["integration"])
        rows = Sync.objects.select_related("organization").filter(
            integration=integration, type__name=asked["type"], direction=asked["direction"]
        )
        found = list(rows.filter(slug=asked["sync"]) if asked["sync"] else rows)
        if not found:
            way = f"{asked['direction']} of {asked['type']!r} with {integration.slug!r}"
            raise NotFound(f"No {way} is set up; set it up in the admin, under Syncs.")
        if len(found) > 1:
            names = ", ".join(sync.slug for sync in found)
            raise FieldProblem([("sync", f"Several syncs fit; say which in 'sync': {names}.")])
        return found[0]


class RunView(HubView):
    """``/api/sync-runs/{id}``."""

    required_scope = Scope.SYNC_RUN

    @extend_schema(
        operation_id="readSyncRun",
        summary="How far a run is",
        responses=schemas.answers({200: RUN}, 404),
        tags=["Sync"],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show one run."""
        rows = SyncRun.objects.select_related("sync").filter(organization=self.organization)
        identifier = as_uuid(id)
        run = rows.filter(pk=identifier).first() if identifier else None
        if run is None:
            raise NotFound(f"There is no sync run {id!r} in this organization.")
        return Response(run_facts(run))


def run_facts(run: SyncRun) -> dict[str, Any]:
    """Return a run as the API shows it."""
    names = ("total", "created", "updated", "deleted", "unchanged", "rejected", "skipped", "message")
    return {
        "id": run.pk,
        "sync": run.sync.slug,
        "state": run.state,
        "dry_run": run.dry_run,
        "percent": run.percent,
        **{name: getattr(run, name) for name in names},
        "rows_per_second": round(run.rate, 1),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def _read(body: Any) -> dict[str, Any]:
    """Return what is asked for; raise FieldProblem with a sentence for each field."""
    if not isinstance(body, dict):
        raise FieldProblem([("", "The body is a JSON object.")])
    errors = [(name, f"There is no field {name!r}; there are: {', '.join(FIELDS)}.") for name in body]
    errors = [error for error in errors if error[0] not in FIELDS]
    for name in ("integration", "type", "direction", "sync", "filter"):
        value = body.get(name, "")
        if not isinstance(value, str) or (not value and name in FIELDS[:3]):
            errors.append((name, f"'{name}' is needed, as text."))
    for name in ("dry_run", "full"):
        if not isinstance(body.get(name, False), bool):
            errors.append((name, f"'{name}' is true or false."))
    if body.get("direction") not in Direction.values and isinstance(body.get("direction"), str):
        errors.append(("direction", "'direction' is push or pull."))
    if len(str(body.get("filter", ""))) > 1000:
        errors.append(("filter", "'filter' may have 1000 characters."))
    if errors:
        raise FieldProblem(errors)
    given = {"sync": "", "filter": "", "dry_run": False, "full": False}
    return {**given, **body}


def _url(run: SyncRun) -> str:
    return reverse("api-sync-run", args=[run.pk])
