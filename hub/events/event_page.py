"""What an event's page shows: its story, delivery by delivery, and what may be done to each."""

from typing import Any
from uuid import UUID

from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest

from hub.accounts.pages import HubAdmin
from hub.connections.models import Integration
from hub.delivery.item_page import look_again
from hub.delivery.models import QueueItem
from hub.events.models import Event, Route
from hub.events.story import Delivery, Story, story
from hub.mapping.actions import action_label

#: How a step of the story looks.
TONES = {"ok": "good", "error": "bad", "waiting": "warn", "info": "mute"}
#: Outcomes of routing in words, with their tone.
OUTCOMES = {
    "queued": ("Took it", "good"),
    "filtered": ("Not for it", "mute"),
    "disabled": ("Switched off", "mute"),
    "error": ("Could not decide", "bad"),
}


def page_context(request: HttpRequest, event: Event, site: AdminSite) -> dict[str, Any]:
    """Return what ``events/event.html`` needs beyond the row."""
    told = story(event)
    return {
        "story": told,
        "tones": TONES,
        "tone": TONES[told.state],
        "received": [step for step in told.steps if step.kind in ("received", "warning")],
        "decisions": _decisions(event),
        "deliveries": _deliveries(request, told, site),
        "look_again": look_again(delivery.item for delivery in told.deliveries),
    }


def _decisions(event: Event) -> list[dict[str, Any]]:
    """What each route decided; a route that is still there has a link."""
    # What was sent by hand names no route.
    ids = {decision["route"] for decision in event.routing if decision.get("route")}
    known = {str(pk) for pk in Route.objects.filter(pk__in=ids).values_list("pk", flat=True)}
    rows = []
    for decision in event.routing:
        outcome = str(decision.get("outcome", ""))
        words, tone = OUTCOMES.get(outcome, (outcome, "mute"))
        route = str(decision.get("route", ""))
        rows.append({**decision, "words": words, "tone": tone, "route": route if route in known else ""})
    return rows


def _deliveries(request: HttpRequest, told: Story, site: AdminSite) -> list[dict[str, Any]]:
    items = site.get_model_admin(QueueItem)
    several = [entry.item for entry in told.deliveries if len(entry.item.targets) > 1]
    known = Integration.objects.in_bulk({_target_id(target) for item in several for target in item.targets})
    return [
        {
            "delivery": delivery,
            "item": delivery.item,
            "action": action_label(delivery.integration.provider_slug, delivery.item.action),
            "tone": TONES[delivery.state],
            "way": _way(delivery, known),
            "buttons": items.buttons(request, delivery.item) if isinstance(items, HubAdmin) else [],
        }
        for delivery in told.deliveries
    ]


def _way(delivery: Delivery, known: dict[UUID, Integration]) -> list[dict[str, Any]]:
    """The integrations that the delivery may go to, in order; empty where there is only one."""
    item = delivery.item
    if len(item.targets) < 2:
        return []
    return [
        {
            "name": known[_target_id(target)].name if _target_id(target) in known else "(removed)",
            "now": number == item.target_index,
            "passed": number < item.target_index,
        }
        for number, target in enumerate(item.targets)
    ]


def _target_id(target: dict[str, Any]) -> UUID:
    return UUID(target["integration"])
