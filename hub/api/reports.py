"""Reports and figures by the API: JSON, or CSV for spreadsheets."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import choice, count, link_next, moment, only_known
from hub.api.problems import FieldProblem
from hub.api.rendering import JSONRenderer
from hub.connections.models import Integration
from hub.metrics.figures import Tally, tallies
from hub.metrics.reports import STEPS, ReportError, Span, columns, deliveries, errors, report, webhooks
from hub.metrics.stats import health_of

CSV = "text/csv"
#: What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Hours that the figures may look back.
MOST_HOURS = 30 * 24


class CSVRenderer(BaseRenderer):
    """The rows of a report as CSV (RFC 4180), one line of names first; a problem stays JSON."""

    media_type = CSV
    format = "csv"
    charset = "utf-8"

    def render(
        self, data: Any, media_type: str | None = None, context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the bytes."""
        if not isinstance(data, Mapping) or "report" not in data:
            return JSONRenderer().render(data)
        out = io.StringIO()
        names = columns(data["report"])
        writer = csv.writer(out)
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in data["rows"])
        return out.getvalue().encode()


_ROW: dict[str, serializers.Field] = {
    "at": schemas.moment("Where the hour or day (of UTC) begins."),
    "integration": schemas.text(),
    "provider": schemas.text(),
}
_DELIVERIES: dict[str, serializers.Field] = {
    "attempts": schemas.number(),
    "succeeded": schemas.number(),
    "failed": schemas.number(),
    "failed_items": schemas.number("Deliveries that failed for good."),
    "success_rate": serializers.FloatField(allow_null=True, help_text="0 to 1"),
    "average_ms": serializers.FloatField(allow_null=True),
    "p50_ms": serializers.FloatField(allow_null=True),
    "p95_ms": serializers.FloatField(allow_null=True),
    "p99_ms": serializers.FloatField(allow_null=True),
}
_ERRORS: dict[str, serializers.Field] = {
    name: schemas.number()
    for name in (
        *("failed", "transient", "rate_limited", "auth", "permanent", "rejected", "lost", "other"),
        "failed_items",
    )
}
_WEBHOOKS: dict[str, serializers.Field] = {
    name: schemas.number() for name in ("accepted", "repeated", "refused")
}


def _form(name: str, fields: Mapping[str, serializers.Field]) -> Any:
    row = schemas.shape(f"{name}Row", {**_ROW, **fields})
    return schemas.shape(
        f"{name}Report",
        {
            "report": schemas.text(),
            "start": schemas.moment(),
            "end": schemas.moment(),
            "step": schemas.text("hour or day"),
            "rows": row(many=True),
            "totals": schemas.shape(f"{name}Totals", fields)(),
            "next_cursor": schemas.text(allow_null=True),
        },
    )


FORMS = {
    "deliveries": _form("Deliveries", _DELIVERIES),
    "errors": _form("Errors", _ERRORS),
    "webhooks": _form("Webhooks", _WEBHOOKS),
}
COUNTS: dict[str, Any] = {
    "attempts": 120,
    "succeeded": 118,
    "failed": 2,
    "failed_items": 0,
    "success_rate": 0.9833,
}
COUNTS |= {"average_ms": 84.2, "p50_ms": 71.0, "p95_ms": 190.0, "p99_ms": 410.0}
FAILED: dict[str, Any] = {"failed": 2, "transient": 2, "rate_limited": 0, "auth": 0, "permanent": 0}
FAILED |= {"rejected": 0, "lost": 0, "other": 0, "failed_items": 0}
CALLED = {"accepted": 40, "repeated": 1, "refused": 0}
PLACE = {"at": "2026-01-31T00:00:00Z", "integration": "crm", "provider": "crm"}


def _sample(kind: str, counts: dict[str, Any]) -> dict[str, Any]:
    span = {"start": "2026-01-31T00:00:00Z", "end": "2026-02-01T00:00:00Z", "step": "day"}
    return {"report": kind, **span, "rows": [{**PLACE, **counts}], "totals": counts, "next_cursor": None}


PARAMETERS = [
    schemas.CURSOR,
    schemas.query("start", "From this time on; seven days before the end unless given.", schemas.DATETIME),
    schemas.query("end", "Before this time; now unless given.", schemas.DATETIME),
    schemas.query("step", "hour (of up to 31 days) or day (of up to 400).", enum=list(STEPS)),
    schemas.query("integration", "Slug or id of an integration."),
    schemas.query("format", "csv: as Accept: text/csv would.", enum=["json", "csv"]),
]


class _ReportView(HubView):
    """One report."""

    http_method_names = ["get", "head"]
    required_scope = Scope.METRICS_READ
    renderer_classes = [JSONRenderer, CSVRenderer]
    kind = ""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Choose JSON or CSV; raise FieldProblem for a format that is neither: DRF calls it not found."""
        try:
            return super().perform_content_negotiation(request, force)
        except Http404:
            raise FieldProblem([("format", "'format' is one of: json, csv.")]) from None

    def made(self, request: Request) -> Response:
        """Return the report that was asked for."""
        only_known(request, "start", "end", "step", "integration", "format", but=("limit",))
        choice(request, "format", ["json", "csv"])
        named = request.query_params.get("integration")
        integration = self.integration(named) if named else None
        step = choice(request, "step", list(STEPS)) or "day"
        start, end = moment(request, "start"), moment(request, "end")
        begin = moment(request, "cursor")
        try:
            span = Span.over(start, end, step, timezone.now())
            found = report(self.organization, self.kind, span, integration, begin)
        except ReportError as error:
            raise FieldProblem([(error.field, str(error))]) from None
        response = Response(found)
        link_next(request, response, found["next_cursor"])
        if getattr(request.accepted_renderer, "format", "") == "csv":
            name = f"{self.kind}-{span.start:%Y-%m-%d}.csv"
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _described(kind: str, summary: str, counts: dict[str, Any]) -> Any:
    sample = _sample(kind, counts)
    line = (
        ",".join(columns(kind)) + "\n" + ",".join(str(value) for value in sample["rows"][0].values()) + "\n"
    )
    return extend_schema(
        operation_id=f"{kind}Report",
        summary=summary,
        description="Per integration and hour or day, from the rollups: the last seconds follow with the "
        "next one. A page holds whole hours or days, about 1,500 rows, and the totals of these; where more "
        "follows, `next_cursor` and the header `Link` (rel=next) lead there. JSON, or CSV with `Accept: "
        "text/csv` or `?format=csv`.",
        parameters=PARAMETERS,
        responses=schemas.answers({(200, schemas.JSON): FORMS[kind], (200, CSV): schemas.STRING}, 400, 404),
        examples=[schemas.example("A report", sample), schemas.example("As CSV", line, kind=CSV)],
        tags=["Reports"],
    )


class DeliveriesView(_ReportView):
    """``/api/reports/deliveries``."""

    kind = "deliveries"

    @_described(kind, "How deliveries went", COUNTS)
    def get(self, request: Request) -> Response:
        """Return attempts and latencies."""
        return self.made(request)


class ErrorsView(_ReportView):
    """``/api/reports/errors``."""

    kind = "errors"

    @_described(kind, "What failed, by kind of error", FAILED)
    def get(self, request: Request) -> Response:
        """Return failures."""
        return self.made(request)


class WebhooksView(_ReportView):
    """``/api/reports/webhooks``."""

    kind = "webhooks"

    @_described(kind, "Calls to webhook endpoints", CALLED)
    def get(self, request: Request) -> Response:
        """Return calls received."""
        return self.made(request)


INTEGRATION_FIGURES = schemas.shape(
    "IntegrationFigures",
    {
        "integration": schemas.text("Its slug."),
        "provider": schemas.text(),
        "deliveries": schemas.shape("DeliveryFigures", _DELIVERIES)(),
        "errors": schemas.shape("ErrorFigures", _ERRORS)(),
        "webhooks": schemas.shape("WebhookFigures", _WEBHOOKS)(),
        "queue_depth": schemas.number("Items that wait now."),
        "in_flight": schemas.number("Under way now."),
        "failed_now": schemas.number("Failed items that nobody has retried or cancelled."),
    },
)
FIGURES = schemas.shape(
    "Figures",
    {
        "hours": schemas.number(),
        "integrations": INTEGRATION_FIGURES(many=True),
        "totals": schemas.shape(
            "FigureTotals",
            {
                "deliveries": schemas.shape("DeliveryTotals", _DELIVERIES)(),
                "errors": schemas.shape("ErrorTotals", _ERRORS)(),
                "webhooks": schemas.shape("WebhookTotals", _WEBHOOKS)(),
            },
        )(),
    },
)
_SAID: dict[str, Any] = {"deliveries": COUNTS, "errors": FAILED, "webhooks": CALLED}
_NOW = {"queue_depth": 3, "in_flight": 1, "failed_now": 0}


class FiguresView(HubView):
    """``/api/integrations/metrics``."""

    http_method_names = ["get", "head"]
    required_scope = Scope.METRICS_READ

    @extend_schema(
        operation_id="integrationMetrics",
        summary="Figures of every integration over the last hours",
        description="For Prometheus there is `/metrics`. More than 48 hours are counted from a full hour on.",
        parameters=[
            schemas.query(
                "hours",
                f"How far to look back: 1 to {MOST_HOURS}, 24 unless given.",
                {"type": "integer", "minimum": 1, "maximum": MOST_HOURS, "default": 24},
            ),
            schemas.query("integration", "Slug or id: of this one only."),
        ],
        responses=schemas.answers({200: FIGURES}, 400, 404),
        examples=[
            schemas.example(
                "Figures",
                {
                    "hours": 24,
                    "integrations": [{"integration": "crm", "provider": "crm", **_SAID, **_NOW}],
                    "totals": _SAID,
                },
            )
        ],
        tags=["Integrations"],
    )
    def get(self, request: Request) -> Response:
        """Count."""
        only_known(request, "hours", "integration", but=("cursor", "limit"))
        hours = count(request, "hours", 24, MOST_HOURS)
        rows = self._integrations(request)
        now = timezone.now()
        start = now - timedelta(hours=hours)
        if hours > 48:
            start = start.replace(minute=0, second=0, microsecond=0)
        found = tallies([row.pk for row in rows], start, now + timedelta(minutes=1))
        entries = [
            {
                "integration": health.integration.slug,
                "provider": health.integration.provider_slug,
                **_said(found.get(health.integration.pk, Tally())),
                "queue_depth": health.queue_depth,
                "in_flight": health.in_flight,
                "failed_now": health.failed_items,
            }
            for health in health_of(rows)
        ]
        total = sum(found.values(), Tally())
        return Response({"hours": hours, "integrations": entries, "totals": _said(total)})

    def _integrations(self, request: Request) -> list[Integration]:
        if named := request.query_params.get("integration"):
            return [self.integration(named)]
        rows = Integration.objects.filter(organization=self.organization)
        return list(rows.select_related("organization").order_by("name"))


def _said(counts: Tally) -> dict[str, Any]:
    return {"deliveries": deliveries(counts), "errors": errors(counts), "webhooks": webhooks(counts)}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    text = value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text
