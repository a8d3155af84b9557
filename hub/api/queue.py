"""The queue by the API: what waits, what failed, and sending it again."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from hub.accounts.models import Scope
from hub.api import schemas
from hub.api.base import HubView, row_of
from hub.api.pagination import choice, of_ids, only_known, page, since_until
from hub.api.problems import Conflict
from hub.api.representations import item_facts
from hub.config.document import Entry
from hub.delivery import operations
from hub.delivery.models import QueueItem, State

#: Items that one call may retry or cancel.
MOST = 500
ITEM: dict[str, Any] = {
    "id": "01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f",
    "event": "01980f6e-1111-7c31-9d6e-0a1b2c3d4e5f",
    "event_type": "order.paid",
    "subject": "order-1042",
    "integration": "crm",
    "action": "contact.upsert",
    "state": "failed",
    "priority": "normal",
    "due_at": "2026-01-31T12:00:00Z",
    "attempts": 12,
    "error_kind": "permanent",
    "error": "The contact's e-mail address is not valid.",
    "external_id": "",
    "replay_of": None,
    "created_at": "2026-01-31T12:00:00Z",
    "finished_at": "2026-01-31T12:05:00Z",
}
WAITING = {**ITEM, "state": "pending", "attempts": 0, "error": "", "error_kind": "", "finished_at": None}


class ItemsIn(Entry):
    """Which items."""

    items: list[UUID] = Field(min_length=1, max_length=MOST, description=f"Ids, at most {MOST}.")


class QueueView(HubView):
    """``/api/queue``."""

    required_scope = Scope.QUEUE_READ

    @extend_schema(
        operation_id="listQueue",
        summary="List queue items, newest first",
        parameters=[
            schemas.query("state", f"One of: {', '.join(State.values)}.", enum=State.values),
            schemas.query("integration", "Slug or id of an integration."),
            schemas.query("event", "Id of an event.", OpenApiTypes.UUID),
            schemas.query("route", "Id of a route.", OpenApiTypes.UUID),
            *schemas.SINCE_UNTIL,
            schemas.CURSOR,
            schemas.LIMIT,
        ],
        responses=schemas.answers({200: schemas.ITEM_PAGE}, 400, 404),
        examples=[schemas.page_example("Items", ITEM)],
        tags=["Queue"],
    )
    def get(self, request: Request) -> Response:
        """List the organization's deliveries: waiting, under way and finished."""
        only_known(request, "state", "integration", "event", "route", "since", "until")
        rows = self._rows(request)
        if state := choice(request, "state", State.values):
            rows = rows.filter(state=state)
        if named := request.query_params.get("integration"):
            rows = rows.filter(integration=self.integration(named))
        return page(request, of_ids(request, rows, event="source_id", route="route_id"), item_facts)

    def _rows(self, request: Request) -> QuerySet[QueueItem]:
        rows = QueueItem.objects.filter(organization=self.organization, **since_until(request))
        return rows.select_related("integration").defer("result", "targets")


class ItemsView(HubView):
    """What the views of single items have in common."""

    def item(self, named: str) -> QueueItem:
        """Return the organization's item; raise NotFound."""
        rows = QueueItem.objects.select_related("integration").filter(organization=self.organization)
        return row_of(rows, named, "queue item")


class ItemView(ItemsView):
    """``/api/queue/{id}``."""

    required_scope = Scope.QUEUE_READ

    @extend_schema(
        operation_id="readQueueItem",
        summary="A queue item",
        description="Its attempts are told by the story of its event, and by the log: `?item={id}`.",
        responses=schemas.answers({200: schemas.ITEM}, 404),
        examples=[schemas.example("A failed one", ITEM)],
        tags=["Queue"],
    )
    def get(self, request: Request, id: str) -> Response:
        """Show one item."""
        return Response(item_facts(self.item(id)))


class _Deed(ItemsView):
    """Does one thing to one item."""

    http_method_names = ["post"]
    required_scope = Scope.QUEUE_OPERATE
    refusals: dict[str, str] = {}

    def done(self, id: str, deed: Any) -> Response:
        """Do ``deed`` and answer with the item as it is then; raise Conflict where its state forbids it."""
        item = self.item(id)
        if not deed([item]):
            item.refresh_from_db(fields=["state"])
            reason = self.refusals.get(item.state, f"It is {item.state} already.")
            raise Conflict(reason)
        return Response(item_facts(self.item(id)))


class RetryView(_Deed):
    """``/api/queue/{id}/retry``."""

    refusals = {
        State.COMPLETED: "It was delivered; replay its event to have it done again.",
        State.PROCESSING: "It is being delivered at this moment.",
    }

    @extend_schema(
        operation_id="retryQueueItem",
        summary="Try an item again now",
        description="With fresh tries, at its first target, under the same idempotency key.",
        request=None,
        responses=schemas.answers({200: schemas.ITEM}, 404, 409),
        examples=[schemas.example("It waits", WAITING)],
        tags=["Queue"],
    )
    def post(self, request: Request, id: str) -> Response:
        """Make it due."""
        return self.done(id, operations.retry)


class CancelView(_Deed):
    """``/api/queue/{id}/cancel``."""

    refusals = {State.PROCESSING: "It is being delivered at this moment."}

    @extend_schema(
        operation_id="cancelQueueItem",
        summary="Cancel an item that waits",
        request=None,
        responses=schemas.answers({200: schemas.ITEM}, 404, 409),
        examples=[schemas.example("It is cancelled", {**WAITING, "state": "cancelled"})],
        tags=["Queue"],
    )
    def post(self, request: Request, id: str) -> Response:
        """End it."""
        return self.done(id, operations.cancel)


def _many(operation_id: str, summary: str, description: str = "") -> Any:
    """Return what describes a deed to many items."""
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description,
        request={"application/json": ItemsIn},
        responses=schemas.answers({200: schemas.CHANGED}, 400, 413, 415),
        examples=[
            OpenApiExample("One item", {"items": [ITEM["id"]]}, request_only=True),
            schemas.example("How many", {"changed": 1, "asked": 1}),
        ],
        tags=["Queue"],
    )


class _ManyDeed(HubView):
    """Does one thing to many items."""

    http_method_names = ["post"]
    required_scope = Scope.QUEUE_OPERATE

    def done(self, deed: Any) -> Response:
        """Do ``deed`` to those named; what is another organization's is not there."""
        wanted = self.body(ItemsIn).items
        rows = QueueItem.objects.filter(organization=self.organization, pk__in=wanted)
        return Response({"changed": deed(rows), "asked": len(set(wanted))})


class RetryManyView(_ManyDeed):
    """``/api/queue/retry``."""

    @_many(
        "retryQueueItems",
        "Try many items again now",
        "Items that were delivered, or are under way, stay as they are.",
    )
    def post(self, request: Request) -> Response:
        """Make them due."""
        return self.done(operations.retry)


class CancelManyView(_ManyDeed):
    """``/api/queue/cancel``."""

    @_many(
        "cancelQueueItems",
        "Cancel many items that wait",
        "Items that were delivered, or are under way, stay as they are.",
    )
    def post(self, request: Request) -> Response:
        """End them."""
        return self.done(operations.cancel)
