"""Field mappings by the API, and what one would make of an event."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import Field
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView
from hub.api.configured import ConfiguredList, ConfiguredOne, ConfiguredView, names_of, partial
from hub.api.problems import FieldProblem
from hub.config.document import Entry, MappingEntry
from hub.config.snapshot import mapping_snapshot
from hub.delivery.preview import Preview, preview, preview_rules, read_pasted
from hub.delivery.sources import Envelope
from hub.events.envelopes import envelope_of
from hub.events.models import Event, EventType, RouteFallback
from hub.mapping.engine import validate_rules
from hub.mapping.models import FieldMapping
from hub.sync.models import Sync


class MappingIn(MappingEntry):
    """How an event becomes the input of an action: rules, tried in their order."""


class MappingOut(MappingEntry):
    """A field mapping."""

    id: int


class PreviewIn(Entry):
    """What to try. Without ``rules`` those of ``mapping``; of ``event``, ``event_type`` and ``data`` one."""

    mapping: str = Field("", description="Slug of a stored mapping.")
    rules: list[dict[str, Any]] | None = Field(None, description="Rules that need not be stored.")
    provider: str = Field("", description="Slug of the provider; empty: any that has the action.")
    action: str = Field("", description="The action that the mapping is made for.")
    integration: str = Field("", description="Slug or id: then the exact requests are shown as well.")
    event: UUID | None = Field(None, description="A stored event; needs the scope events:read too.")
    event_type: str = Field("", description="A registered type, of which the example is taken.")
    data: Any = Field(None, description="An event with type and data, or data alone.")


class PreviewProblem(Entry):
    """One thing that keeps an event from being delivered."""

    message: str
    field: str
    rule: int = Field(description="From 1; 0: no rule of its own.")


class PreviewOut(Entry):
    """What would happen; nothing was sent and nothing kept."""

    ok: bool
    input: dict[str, Any] | None = Field(description="What the action would get.")
    requests: list[dict[str, Any]] = Field(description="Exact requests, masked; sample answers.")
    problems: list[PreviewProblem]
    hint: str
    notes: list[str]


SENT: dict[str, Any] = {
    "slug": "order-to-contact",
    "name": "Order → contact",
    "provider": "crm",
    "action": "contact.upsert",
    "rules": [
        {"source": "data.email", "target": "email", "transforms": [{"name": "lower"}], "required": True}
    ],
}
SHOWN = {**SENT, "id": 7}
TRIED = {"mapping": "order-to-contact", "data": {"email": "Ann@Example.com"}}
PREVIEWED: dict[str, Any] = {
    "ok": True,
    "input": {"email": "ann@example.com"},
    "requests": [],
    "problems": [],
    "hint": "",
    "notes": ["Connect a service that can do this to see the request too."],
}
ONE = schemas.example("A mapping", SHOWN)
MAPPING = OpenApiParameter("mapping", str, OpenApiParameter.PATH, description="Slug or id.")


class _Mappings(ConfiguredView):
    section, kind, form, entry = "mappings", "mapping", MappingIn, MappingEntry

    def written(self, row: FieldMapping) -> dict[str, Any]:
        return mapping_snapshot(row)

    def facts(self, row: FieldMapping) -> dict[str, Any]:
        return {**mapping_snapshot(row), "id": row.pk}


class MappingsView(_Mappings, ConfiguredList):
    """``/api/mappings``."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="listMappings",
        summary="List field mappings, newest first",
        parameters=[
            schemas.query("provider", "Slug of a provider."),
            schemas.query("action", "Name of an action."),
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.pages_of("Mapping", MappingOut)}, 400),
        examples=[schemas.page_example("Mappings", SHOWN)],
        tags=["Mappings"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's mappings."""
        return self.listed(request, provider="provider_slug", action="action")

    @extend_schema(
        operation_id="createMapping",
        summary="Make a field mapping",
        description="Rules are checked against the action's input.",
        request={"application/json": MappingIn},
        responses=schemas.answers({201: MappingOut}, 400, 409, 413, 415),
        examples=[
            OpenApiExample("Order to contact", SENT, request_only=True),
            schemas.example("A mapping", SHOWN, 201),
        ],
        tags=["Mappings"],
    )
    def post(self, request: Request) -> Response:
        """Make a mapping."""
        return self.created(self.made()[0])


class MappingView(_Mappings, ConfiguredOne):
    """``/api/mappings/{mapping}``."""

    @extend_schema(
        operation_id="readMapping",
        summary="A field mapping",
        parameters=[MAPPING],
        responses=schemas.answers({200: MappingOut}, 404),
        examples=[ONE],
        tags=["Mappings"],
    )
    def get(self, request: Request, mapping: str) -> Response:
        """Show one mapping."""
        return self.answer(self.find(mapping))

    @extend_schema(
        operation_id="changeMapping",
        summary="Change a field mapping",
        description="Deliveries that wait use the changed mapping too.",
        parameters=[MAPPING],
        request={kind: partial(MappingIn) for kind in schemas.PATCHES},
        responses=schemas.answers({200: MappingOut}, 400, 404, 412, 413, 415, 428),
        examples=[*schemas.patch_examples("Another name", {"name": "Orders to contacts"}), ONE],
        tags=["Mappings"],
    )
    def patch(self, request: Request, mapping: str) -> Response:
        """Change what the body names."""
        return self.patched(mapping)

    @extend_schema(
        operation_id="deleteMapping",
        summary="Delete a field mapping",
        description="Refused while routes or syncs use it.",
        parameters=[MAPPING],
        responses=schemas.answers({204: OpenApiResponse(description="Deleted.")}, 404, 409, 412, 428),
        tags=["Mappings"],
    )
    def delete(self, request: Request, mapping: str) -> Response:
        """Delete it."""
        return self.removed(mapping)

    def users_of(self, row: FieldMapping) -> list[str]:
        in_fallbacks = RouteFallback.objects.filter(mapping=row).values("route")
        routes = self.organization.routes.filter(Q(mapping=row) | Q(pk__in=in_fallbacks))
        syncs = Sync.objects.filter(Q(mapping=row) | Q(delete_mapping=row))
        return [*names_of(routes, "route"), *names_of(syncs, "sync")]


class PreviewView(HubView):
    """``/api/mappings/preview``."""

    required_scope = Scope.CONFIG_READ

    @extend_schema(
        operation_id="previewMapping",
        summary="What a mapping makes of an event",
        description="With an integration also the exact requests, masked. Nothing is sent or kept.",
        request={"application/json": PreviewIn},
        responses=schemas.answers({200: PreviewOut}, 400, 404, 413, 415),
        examples=[
            OpenApiExample("A stored mapping", TRIED, request_only=True),
            schemas.example("What it becomes", PREVIEWED),
        ],
        tags=["Mappings"],
    )
    def post(self, request: Request) -> Response:
        """Try rules on an event."""
        asked = self.body(PreviewIn)
        stored = self._stored(asked.mapping)
        rules = asked.rules if asked.rules is not None else (stored.rules if stored else [])
        provider = asked.provider or (stored.provider_slug if stored else "")
        action = asked.action or (stored.action if stored else "")
        if broken := [problem for problem in validate_rules(rules) if problem.rule]:
            raise FieldProblem([(f"rules[{one.rule - 1}]", str(one)) for one in broken])
        envelope = self._envelope(asked)
        if not asked.integration:
            return Response(_told(preview_rules(provider, action, rules, envelope)))
        return Response(_told(preview(self.integration(asked.integration), action, rules, envelope)))

    def _stored(self, slug: str) -> FieldMapping | None:
        if not slug:
            return None
        found = self.organization.mappings.filter(slug=slug).first()
        if found is None:
            raise NotFound(f"There is no mapping {slug!r} in this organization.")
        return found

    def _envelope(self, asked: PreviewIn) -> Envelope:
        """Return the event to try it on; raise NotFound, or FieldProblem where none or several are given."""
        given = [name for name in ("event", "event_type", "data") if getattr(asked, name)]
        if len(given) > 1:
            raise FieldProblem([(given[1], f"Give one of {' and '.join(given)}, not both.")])
        if asked.event:
            self.demand(Scope.EVENTS_READ)
            event = Event.objects.filter(organization=self.organization, pk=asked.event).first()
            if event is None:
                raise NotFound(f"There is no event '{asked.event}' in this organization.")
            return envelope_of(event)
        if asked.event_type:
            kind = EventType.objects.filter(organization=self.organization, name=asked.event_type).first()
            if kind is None:
                raise NotFound(f"There is no event type {asked.event_type!r} in this organization.")
            return read_pasted({"type": kind.name, "data": kind.example})
        try:
            return read_pasted(asked.data)
        except ValueError as error:
            raise FieldProblem([("data", str(error))]) from None


def _told(made: Preview) -> dict[str, Any]:
    return {
        "ok": made.ok,
        "input": made.input,
        "requests": [asdict(one) for one in made.requests],
        "problems": [{"message": one.message, "field": one.field, "rule": one.rule} for one in made.problems],
        "hint": made.hint,
        "notes": made.notes,
    }
