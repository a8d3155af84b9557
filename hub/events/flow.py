"""The picture of the flow: which events go where, through what, and what happens when that fails."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hub.accounts.models import Organization
from hub.connections.models import Circuit, Integration, Status
from hub.events.models import Route
from hub.mapping.actions import action_label
from hub.mapping.models import FieldMapping


@dataclass(frozen=True, slots=True)
class Leg:
    """One stop of a route's way: the mapping to it, what is done there, and whether it moves now."""

    integration: Integration
    action: str
    mapping: FieldMapping | None
    held: str


@dataclass(frozen=True, slots=True)
class Way:
    """One route: the integration it goes to first, then its fallbacks in order."""

    route: Route
    legs: list[Leg]


@dataclass(frozen=True, slots=True)
class Source:
    """All routes that take events of one pattern."""

    pattern: str
    ways: list[Way]


def flow(organizations: Iterable[Organization]) -> list[Source]:
    """Return the whole flow, by pattern: three queries, however many routes there are."""
    routes = (
        Route.objects.filter(organization__in=organizations)
        .select_related("integration", "mapping")
        .prefetch_related("fallbacks__integration", "fallbacks__mapping")
        .order_by("type_pattern", "name")
    )
    found: dict[str, list[Way]] = defaultdict(list)
    for route in routes:
        stops: list[Any] = [route, *route.fallbacks.all()]
        found[route.type_pattern].append(Way(route, [_leg(stop) for stop in stops]))
    return [Source(pattern, ways) for pattern, ways in found.items()]


def _leg(stop: Any) -> Leg:
    integration: Integration = stop.integration
    held = ""
    if integration.status != Status.ACTIVE:
        held = integration.get_status_display()
    elif integration.circuit == Circuit.OPEN:
        held = "Given a rest"
    return Leg(integration, action_label(integration.provider_slug, stop.action), stop.mapping, held)
