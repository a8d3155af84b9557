"""Routes by the API, and what one would take of the events that are stored."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.configured import ConfiguredList, ConfiguredOne, ConfiguredView, partial
from hub.api.problems import FieldProblem
from hub.config.document import Entry, FallbackEntry, RouteEntry, Slug
from hub.config.snapshot import FALLBACKS, route_snapshot
from hub.delivery.enqueue import Target
from hub.events.impact import DAYS, impact, route_impact
from hub.events.models import Route

#: Days that an impact may look back.
MOST_DAYS = 90


class RouteIn(RouteEntry):
    """Which events go where: a pattern of types, a filter (JMESPath), an integration and its action."""


class RouteOut(RouteEntry):
    """A route."""

    id: UUID


class ImpactIn(Entry):
    """The route to judge: a stored one by its slug, or one that is described and need not be stored."""

    route: str = Field("", description="Slug of a stored route; its other fields are then not given.")
    events: str = Field("", description="Pattern of types: order.*", max_length=200)
    filter: str = Field("", description="JMESPath over the event.", max_length=1000)
    integration: Slug | None = None
    action: str = ""
    fallbacks: list[FallbackEntry] = Field(default_factory=list, max_length=20)
    days: int = Field(DAYS, ge=1, le=MOST_DAYS, description="How far to look back.")


SENT: dict[str, Any] = {
    "slug": "paid-orders",
    "name": "Paid orders to the CRM",
    "events": "order.paid",
    "filter": "data.total >= `100`",
    "integration": "crm",
    "action": "contact.upsert",
    "mapping": "order-to-contact",
    "priority": "high",
    "fallbacks": [],
}
SHOWN = {
    **SENT,
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "purpose": "",
    "delay": 0,
    "ordered": False,
    "enabled": True,
}
ONE = schemas.example("A route", SHOWN)
ROUTE = OpenApiParameter("route", str, OpenApiParameter.PATH, description="Slug or id.")
IMPACT: dict[str, Any] = {
    "days": 7,
    "matching_events": 1204,
    "exact": True,
    "events_a_day": 172.0,
    "destinations": [],
    "seconds": 24.1,
    "sentence": "Exactly 1,204 stored events match in the last 7 days, 172.0 a day.",
}


class _Routes(ConfiguredView):
    section, kind, form, entry = "routes", "route", RouteIn, RouteEntry
    relations = ("integration", "mapping")
    several = FALLBACKS

    def written(self, row: Route) -> dict[str, Any]:
        return route_snapshot(row)

    def facts(self, row: Route) -> dict[str, Any]:
        return {**route_snapshot(row), "id": str(row.pk)}


class RoutesView(_Routes, ConfiguredList):
    """``/api/routes``."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="listRoutes",
        summary="List routes, newest first",
        parameters=[
            schemas.query("integration", "Slug of an integration."),
            schemas.query("action", "Name of an action."),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.pages_of("Route", RouteOut)}, 400),
        examples=[schemas.page_example("Routes", SHOWN)],
        tags=["Routes"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's routes."""
        return self.listed(request, integration="integration__slug", action="action")

    @extend_schema(
        operation_id="createRoute",
        summary="Make a route",
        description="It holds from the next event on. Ask `/api/routes/impact` first what it would take.",
        request={"application/json": RouteIn},
        responses=schemas.answers({201: RouteOut}, 400, 409, 413, 415),
        examples=[
            OpenApiExample("Paid orders", SENT, request_only=True),
            schemas.example("A route", SHOWN, 201),
        ],
        tags=["Routes"],
    )
    def post(self, request: Request) -> Response:
        """Make a route."""
        return self.created(self.made()[0])


class RouteView(_Routes, ConfiguredOne):
    """``/api/routes/{route}``."""

    @extend_schema(
        operation_id="readRoute",
        summary="A route",
        parameters=[ROUTE],
        responses=schemas.answers({200: RouteOut}, 404),
        examples=[ONE],
        tags=["Routes"],
    )
    def get(self, request: Request, route: str) -> Response:
        """Show one route."""
        return self.answer(self.find(route))

    @extend_schema(
        operation_id="changeRoute",
        summary="Change a route, or switch it on or off",
        parameters=[ROUTE],
        request={kind: partial(RouteIn) for kind in schemas.PATCHES},
        responses=schemas.answers({200: RouteOut}, 400, 404, 412, 413, 415, 428),
        examples=[*schemas.patch_examples("Switch off", {"enabled": False}), ONE],
        tags=["Routes"],
    )
    def patch(self, request: Request, route: str) -> Response:
        """Change what the body names."""
        return self.patched(route)

    @extend_schema(
        operation_id="deleteRoute",
        summary="Delete a route",
        description="Deliveries that it has queued already go on.",
        parameters=[ROUTE],
        responses=schemas.answers({204: OpenApiResponse(description="Deleted.")}, 404, 412, 428),
        tags=["Routes"],
    )
    def delete(self, request: Request, route: str) -> Response:
        """Delete it."""
        return self.removed(route)


class ImpactView(_Routes):
    """``/api/routes/impact``."""

    http_method_names = ["post"]
    required_scope = Scope.CONFIG_READ

    @extend_schema(
        operation_id="routeImpact",
        summary="What a route would take of the stored events",
        description="How many events of the last days match, where they would go, and how long sending them "
        "takes within the limits. Changes nothing.",
        request={"application/json": ImpactIn},
        responses=schemas.answers({200: schemas.IMPACT}, 400, 404, 413, 415),
        examples=[
            OpenApiExample("A stored route", {"route": "paid-orders"}, request_only=True),
            OpenApiExample(
                "One to be made",
                {"events": "order.*", "integration": "crm", "action": "contact.upsert", "days": 30},
                request_only=True,
            ),
            schemas.example("What it takes", IMPACT),
        ],
        tags=["Routes"],
    )
    def post(self, request: Request) -> Response:
        """Judge a route."""
        asked = self.body(ImpactIn)
        if asked.route:
            if also := asked.model_fields_set - {"route", "days"}:
                name = sorted(also)[0]
                raise FieldProblem([(name, f"Leave '{name}' out: 'route' names a route that is stored.")])
            found = route_impact(self.find(asked.route), asked.days)
        else:
            found = impact(self.organization.pk, asked.events, asked.filter, self._targets(asked), asked.days)
        if found.problem:
            raise FieldProblem([("filter" if "filter" in found.problem else "events", found.problem)])
        return Response(found.as_json())

    def _targets(self, asked: ImpactIn) -> list[Target]:
        first = [(asked.integration, asked.action)] if asked.integration else []
        ways = [*first, *((each.integration, each.action) for each in asked.fallbacks)]
        return [Target(self.integration(slug).pk, action) for slug, action in ways]
