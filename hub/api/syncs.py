"""Syncs by the API: starting a run, and following it."""

from typing import Any, Literal

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView, row_of
from hub.api.pagination import only_known, page
from hub.api.problems import Conflict, FieldProblem
from hub.config.document import Entry
from hub.delivery.wake import wake_jobs
from hub.mapping.expressions import ExpressionError
from hub.sync import leases
from hub.sync.models import RunChange, Sync, SyncRun
from hub.sync.starting import AlreadyOpen, start


class SyncIn(Entry):
    """Which sync to run, and how."""

    integration: str = Field(min_length=1, max_length=100, description="Slug or id.")
    type: str = Field(min_length=1, max_length=100, description="Name of a record type.")
    direction: Literal["push", "pull"]
    sync: str = Field("", max_length=100, description="Slug of the sync, where several fit.")
    filter: str = Field("", max_length=1000, description="JMESPath over a record, data.country == 'FR'.")
    dry_run: bool = Field(False, description="Count, but change nothing.")
    full: bool = Field(False, description="A pull reads everything again.")


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


CHANGE = schemas.shape(
    "RunChange",
    {
        "key": schemas.text("Key of the record."),
        "kind": schemas.text("created, updated, deleted or conflict"),
        "before": serializers.JSONField(allow_null=True, help_text="A push: what was sent last."),
        "after": serializers.JSONField(allow_null=True),
    },
)
CHANGES = schemas.shape(
    "RunChangeList", {"results": CHANGE(many=True), "next_cursor": schemas.text(allow_null=True)}
)
A_CHANGE: dict[str, Any] = {
    "key": "ann@example.com",
    "kind": "updated",
    "before": {"name": "Ann"},
    "after": {"name": "Anna"},
}
A_RUN: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "sync": "customers-to-crm",
    "state": "running",
    "dry_run": True,
    "percent": 40,
    "total": 1000,
    "created": 12,
    "updated": 30,
    "deleted": 0,
    "unchanged": 350,
    "rejected": 8,
    "skipped": 0,
    "rows_per_second": 210.5,
    "message": "",
    "created_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "finished_at": None,
}


class SyncView(HubView):
    """``/api/integrations/sync``."""

    required_scope = Scope.SYNC_RUN

    @extend_schema(
        operation_id="startSync",
        summary="Start a run of a sync",
        description="The sync itself is set up in the admin. Answers 409 while its last run is not over.",
        request={"application/json": SyncIn},
        responses=schemas.answers({202: RUN}, 400, 404, 409, 413, 415),
        examples=[
            OpenApiExample(
                "A push",
                {"integration": "crm", "type": "customer", "direction": "push", "dry_run": True},
                request_only=True,
            ),
            schemas.example("The run", {**A_RUN, "state": "pending", "percent": None}, 202),
        ],
        tags=["Sync"],
    )
    def post(self, request: Request) -> Response:
        """Start a run."""
        asked = self.body(SyncIn)
        options: dict[str, Any] = {"dry_run": asked.dry_run, "filter": asked.filter, "full": asked.full}
        try:
            run = start(self._sync(asked), origin="api", **options)
        except ExpressionError as error:
            raise FieldProblem([("filter", f"'filter' is no JMESPath expression: {error}")]) from None
        except AlreadyOpen as error:
            named = f" It is {error.run.pk}." if error.run else ""
            raise Conflict(f"{error}{named}") from None
        return Response(run_facts(run), status=202, headers={"Location": _url(run)})

    def _sync(self, asked: SyncIn) -> Sync:
        integration = self.integration(asked.integration)
        rows = Sync.objects.select_related("organization").filter(
            integration=integration, type__name=asked.type, direction=asked.direction
        )
        found = list(rows.filter(slug=asked.sync) if asked.sync else rows)
        if not found:
            way = f"{asked.direction} of {asked.type!r} with {integration.slug!r}"
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
        examples=[schemas.example("A run", A_RUN)],
        tags=["Sync"],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show one run."""
        return Response(run_facts(_run(self, id)))


class RunDeedView(HubView):
    """``/api/sync-runs/{id}/{deed}``."""

    required_scope = Scope.SYNC_RUN

    @extend_schema(
        operation_id="steerSyncRun",
        summary="Pause, resume or cancel a run",
        description="`deed` is pause, resume or cancel. One at work stops after what is under way.",
        request=None,
        responses=schemas.answers({200: RUN}, 404, 409),
        examples=[schemas.example("The run", {**A_RUN, "state": "paused"})],
        tags=["Sync"],
    )
    def post(self, request: Request, id: str, deed: str) -> Response:
        """Do it."""
        run = _run(self, id)
        now = timezone.now()
        deeds = {
            "pause": lambda: leases.pause(run),
            "resume": lambda: leases.resume(run, now),
            "cancel": lambda: leases.cancel(run, now),
        }
        if deed not in deeds:
            raise NotFound(f"A run can be told: {', '.join(deeds)}.")
        if not deeds[deed]():
            raise Conflict(f"The run is {run.state}; {deed} is not possible now.")
        wake_jobs()
        run.refresh_from_db()
        return Response(run_facts(run))


class ChangesView(HubView):
    """``/api/sync-runs/{id}/changes``."""

    required_scope = Scope.SYNC_RUN

    @extend_schema(
        operation_id="readDryRun",
        summary="What a dry run would change",
        description="The first 200 rows, with the values before and after.",
        parameters=[
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: CHANGES}, 400, 404),
        examples=[schemas.example("A page", {"results": [A_CHANGE], "next_cursor": None})],
        tags=["Sync"],
    )
    def get(self, request: Request, id: str) -> Response:
        """List them."""
        only_known(request)
        return page(request, _run(self, id).changes.all(), change_facts)


def _run(view: HubView, id: str) -> SyncRun:
    rows = SyncRun.objects.select_related("sync").filter(organization=view.organization)
    return row_of(rows, id, "sync run")


def change_facts(row: RunChange) -> dict[str, Any]:
    """Return a row of a dry run as the API shows it."""
    return {"key": row.key, "kind": row.kind, "before": row.before, "after": row.after}


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


def _url(run: SyncRun) -> str:
    return reverse("api-sync-run", args=[run.pk])
