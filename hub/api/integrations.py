"""Integrations by the API: where they stand, how they do, testing one, and the log."""

from dataclasses import asdict
from functools import partial
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.pagination import choice, of_ids, only_known, page
from hub.api.representations import health_facts, integration_facts, log_facts, problem_facts
from hub.connections.check import run_connection_test
from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, LogKind
from hub.metrics.stats import STATES, health_of, hourly_outcomes, integration_health, latest_problems

STANDING: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "slug": "crm",
    "name": "HubSpot",
    "provider": "crm",
    "sandbox": False,
    "status": "active",
    "status_reason": "",
    "circuit": "closed",
    "account": "Acme",
    "last_test": {
        "at": "2026-01-31T12:00:00Z",
        "ok": True,
        "message": "The connection works.",
        "latency_ms": 84,
    },
}
DOING: dict[str, Any] = {
    **STANDING,
    "health": "ok",
    "sentence": "Deliveries flow.",
    "success_rate_24h": 0.998,
    "succeeded_24h": 1042,
    "failed_24h": 2,
    "queue_depth": 3,
    "in_flight": 1,
    "failed_items": 0,
    "oldest_due": None,
}
HOURS = [{"start": "2026-01-31T12:00:00Z", "succeeded": 40, "failed": 0}]
ENTRY: dict[str, Any] = {
    "log_id": 7,
    "at": "2026-01-31T12:00:00Z",
    "integration": "crm",
    "action": "contact.upsert",
    "attempt": 1,
    "outcome": "ok",
    "message": "Contact 101 was updated.",
    "hint": "",
    "status_code": 200,
    "duration_ms": 84,
    "kind": "delivery",
    "item": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "event": "01980f6e-1111-7c31-9d6e-0a1b2c3d4e5f",
}
TESTED = {
    "ok": True,
    "message": "The connection works.",
    "hint": "",
    "latency_ms": 84,
    "account": "Example Ltd",
}


class StatusView(HubView):
    """``/api/integrations/status``."""

    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="integrationsStatus",
        summary="Every integration and where it stands",
        responses=schemas.answers({200: schemas.INTEGRATION_LIST}),
        examples=[schemas.example("One integration", {"integrations": [STANDING]})],
        tags=["Integrations"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's integrations."""
        rows = Integration.objects.listed().filter(organization=self.organization).order_by("name")
        return Response({"integrations": [integration_facts(row) for row in rows]})


class HealthView(HubView):
    """``/api/integrations/health``."""

    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="integrationsHealth",
        summary="How every integration is doing",
        responses=schemas.answers({200: schemas.HEALTH_LIST}),
        examples=[schemas.example("All is well", {"health": "ok", "integrations": [DOING]})],
        tags=["Integrations"],
    )
    def get(self, request: Request) -> Response:
        """Judge every integration of the organization."""
        health = integration_health([self.organization])
        worst = max((entry.state for entry in health), key=STATES.index, default="unused")
        return Response({"health": worst, "integrations": [health_facts(entry) for entry in health]})


class OneHealthView(HubView):
    """``/api/integrations/{integration}/health``."""

    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="integrationHealth",
        summary="How one integration is doing",
        parameters=[schemas.INTEGRATION],
        responses=schemas.answers({200: schemas.ONE_HEALTH}, 404),
        examples=[schemas.example("It does well", {**DOING, "hours": HOURS, "problems": []})],
        tags=["Integrations"],
    )
    def get(self, request: Request, integration: str) -> Response:
        """Judge one integration, with its last 24 hours and its latest problems."""
        found = self.integration(integration)
        facts = health_facts(health_of([found])[0])
        facts["hours"] = [asdict(hour) for hour in hourly_outcomes([self.organization], integration=found)]
        problems = latest_problems([self.organization], integration=found)
        facts["problems"] = [problem_facts(problem) for problem in problems]
        return Response(facts)


class TestView(HubView):
    """``/api/integrations/test/{integration}``."""

    http_method_names = ["post"]
    required_scope = Scope.INTEGRATIONS_TEST
    one_commit = False

    @extend_schema(
        operation_id="testIntegration",
        summary="Run the connection test of one integration",
        description="Answers 200 also where the test fails: `ok` is false, and `hint` says what to do.",
        parameters=[schemas.INTEGRATION],
        request=None,
        responses=schemas.answers({200: schemas.TEST_OUTCOME}, 404),
        examples=[schemas.example("It works", TESTED)],
        tags=["Integrations"],
    )
    def post(self, request: Request, integration: str) -> Response:
        """Ask the provider whether address and credential are right."""
        outcome = run_connection_test(self.integration(integration))
        return Response(
            {
                "ok": outcome.ok,
                "message": outcome.message,
                "hint": outcome.hint,
                "latency_ms": outcome.latency_ms,
                "account": outcome.account,
            }
        )


class LogsView(HubView):
    """``/api/integrations/logs``."""

    required_scope = Scope.INTEGRATIONS_READ

    @extend_schema(
        operation_id="integrationLogs",
        summary="What the hub did with the providers, newest first",
        parameters=[
            schemas.query("integration", "Slug or id of an integration."),
            schemas.query("kind", f"One of: {', '.join(LogKind.values)}.", enum=LogKind.values),
            schemas.query("outcome", "ok, or the kind of an error."),
            schemas.query("event", "Id of an event.", OpenApiTypes.UUID),
            schemas.query("item", "Id of a queue item.", OpenApiTypes.UUID),
            schemas.query("exchanges", "true: with requests and answers, masked.", enum=["true", "false"]),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.LOG_PAGE}, 400, 404),
        examples=[schemas.page_example("A delivery", ENTRY)],
        tags=["Integrations"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's integration log."""
        only_known(request, "integration", "kind", "outcome", "event", "item", "exchanges")
        rows = IntegrationLog.objects.filter(organization=self.organization).select_related("integration")
        if named := request.query_params.get("integration"):
            rows = rows.filter(integration=self.integration(named))
        if kind := choice(request, "kind", LogKind.values):
            rows = rows.filter(kind=kind)
        if outcome := request.query_params.get("outcome"):
            rows = rows.filter(outcome=outcome)
        rows = of_ids(request, rows, event="source_id", item="item_id")
        full = choice(request, "exchanges", ["true", "false"]) == "true"
        return page(request, rows if full else rows.defer("exchanges"), partial(log_facts, exchanges=full))
