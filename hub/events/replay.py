"""Deliver an event again: new queue items, linked to those that were made before."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hub.delivery.enqueue import new_item
from hub.delivery.models import QueueItem
from hub.delivery.wake import wake
from hub.events.envelopes import SOURCE_TYPE, envelope_of
from hub.events.models import Event, Route
from hub.events.routes import routes_of
from hub.events.routing import QUEUED, Decision, RouteView, decide


def replay_event(event: Event, routes: Iterable[Route] | None = None) -> list[QueueItem]:
    """Queue ``event`` anew, for the routes that want it now, or for ``routes`` whatever their filters say.

    The items are due at once and point to the newest earlier item of the same route
    (``replay_of``). What happened is added to the event's routing. Raises ValueError for a route of
    another organization, and where the event's data went by its retention.
    """
    with transaction.atomic():
        event = Event.objects.select_for_update().get(pk=event.pk)
        if event.data_removed_at is not None:
            raise ValueError("The event's data is gone: its retention has passed. Send the event again.")
        decisions = _decisions(event, routes)
        earlier = _newest_items(event)
        now = timezone.now()
        items = [
            new_item(
                organization_id=event.organization_id,
                targets=decision.route.targets,
                source_type=SOURCE_TYPE,
                source_id=event.pk,
                route_id=decision.route.id,
                label=event.type,
                subject=event.subject,
                priority=decision.route.priority,
                due_at=now,
                replay_of_id=earlier.get(decision.route.id),
                sequence=decision.route.sequence_of(event.subject),
            )
            for decision in decisions
            if decision.outcome == QUEUED
        ]
        QueueItem.objects.bulk_create(items)
        event.routing = [*event.routing, *(decision.as_json() for decision in decisions)]
        event.save(update_fields=["routing"])
        if items:
            transaction.on_commit(wake, robust=True)
    return items


def _decisions(event: Event, routes: Iterable[Route] | None) -> list[Decision]:
    if routes is None:
        found = decide(routes_of(event.organization_id), envelope_of(event).as_dict())
        return [_marked(decision) for decision in found]
    wanted = {route.pk for route in routes}
    views = routes_of(event.organization_id, pk__in=wanted)
    if len(views) != len(wanted):
        raise ValueError("An event can be replayed to routes of its own organization only.")
    return [_marked(Decision(view, QUEUED)) for view in views]


def _marked(decision: Decision) -> Decision:
    route: RouteView = decision.route
    return Decision(route, decision.outcome, f"Replayed. {decision.reason}".strip())


def _newest_items(event: Event) -> dict[UUID | None, UUID]:
    rows = QueueItem.objects.filter(source_type=SOURCE_TYPE, source_id=event.pk).order_by("created_at", "pk")
    return dict(rows.values_list("route_id", "pk"))
