"""What sending an event again would change: the last request beside the one that today's mapping makes."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, QueueItem
from hub.delivery.preview import PREVIEW_KEY, Preview, preview
from hub.events.envelopes import SOURCE_TYPE, envelope_of
from hub.events.models import Event
from hub.events.routing import QUEUED, Decision
from hub.lib.html import pretty
from hub.mapping.models import FieldMapping

#: Lines around a change that are shown.
AROUND = 3
KINDS = {"+": "added", "-": "removed", "@": "place", " ": "same"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a difference. ``kind``: added, removed, same, or place (between two parts)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What one route would send. ``lines`` is empty where nothing changes or nothing was sent before.

    ``sent_before``: whether a request of an earlier delivery is known.
    """

    route: str
    integration: Integration
    action: str
    preview: Preview
    sent_before: bool
    after: str = ""
    lines: list[Line] = field(default_factory=list)


def changes(event: Event, decisions: Iterable[Decision]) -> list[Change]:
    """Return a change for each route that would take ``event`` now. Nothing is sent, nothing is kept."""
    taken = [decision.route for decision in decisions if decision.outcome == QUEUED]
    targets = [route.targets[0] for route in taken]
    rows = Integration.objects.filter(organization_id=event.organization_id)
    integrations = rows.in_bulk([target.integration_id for target in targets])
    rules = dict(
        FieldMapping.objects.filter(
            organization_id=event.organization_id, pk__in=[target.mapping_id for target in targets]
        ).values_list("pk", "rules")
    )
    before = _sent(event)
    made = []
    for route, target in zip(taken, targets, strict=True):
        if integration := integrations.get(target.integration_id):
            seen = preview(integration, target.action, rules.get(target.mapping_id or 0), envelope_of(event))
            made.append(_change(route.name, integration, target.action, seen, before.get(route.id, "")))
    return made


def _change(route: str, integration: Integration, action: str, seen: Preview, before: str) -> Change:
    after = _text(seen.requests[-1]) if seen.requests else ""
    lines = difference(before, after) if before and after else []
    return Change(route, integration, action, seen, bool(before), after, lines)


def difference(before: str, after: str) -> list[Line]:
    """Return the lines that differ, with some around them; none where the texts are the same."""
    found = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=AROUND))
    return [Line(KINDS[line[0]], line[1:] if line[0] in "+- " else "") for line in found[2:]]


def _sent(event: Event) -> Mapping[UUID | None, str]:
    """Return by route the last request that was sent for the event."""
    items = QueueItem.objects.filter(source_type=SOURCE_TYPE, source_id=event.pk).only("id", "route_id")
    routes = {item.pk: item for item in items}
    logs = IntegrationLog.objects.filter(source_id=event.pk, item_id__in=list(routes)).order_by("id")
    found: dict[UUID | None, str] = {}
    for item_id, exchanges in logs.values_list("item_id", "exchanges"):
        if exchanges and item_id is not None:
            item = routes[item_id]
            # The key differs with every delivery, which is no change that anybody looks for.
            found[item.route_id] = _text(exchanges[-1]).replace(item.idempotency_key, PREVIEW_KEY)
    return found


def _text(exchange: Any) -> str:
    get: Any = exchange.get if isinstance(exchange, Mapping) else lambda name: getattr(exchange, name)
    parts: Sequence[str] = (f"{get('method')} {get('url')}", pretty(get("request_body") or ""))
    return "\n".join(part for part in parts if part)
