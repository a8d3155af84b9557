"""An event's story: received, routed, delivered or stopped, and why, in plain sentences."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.dateformat import format as format_date

from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.models import Event
from hub.lib.html import ago
from hub.lib.sentences import advised

#: Shown instead of a number when an attempt left none in the log.
FINISHED = {
    State.COMPLETED: "Delivered",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
    State.SKIPPED: "Skipped",
}
ORIGINS = {
    "api": "An application sent it by the API.",
    "webhook": "A provider's webhook told it.",
    "admin": "Somebody sent it from the admin.",
    "replay": "It is a replay of an earlier event.",
    "hub": "The hub raised it itself.",
}
ROUTED = {
    "queued": "ok",
    "filtered": "info",
    "disabled": "info",
    "error": "error",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    ``kind``: received, warning, routing, queued, attempt, waiting, finished or replay. ``state``: ok, info,
    waiting or error, for colours. ``item_id`` and ``log_id`` lead to the rows.
    """

    time: datetime
    kind: str
    title: str
    text: str
    state: str
    item_id: UUID | None = None
    log_id: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One queue item of the event with its attempts, oldest first."""

    item: QueueItem
    integration: Integration
    route: str
    sentence: str
    state: str
    attempts: list[IntegrationLog] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known of one event; ``steps`` in the order of time."""

    event: Event
    sentence: str
    state: str
    steps: list[Step]
    deliveries: list[Delivery]


def story(event: Event) -> Story:
    """Tell the story of ``event``: three queries, however many deliveries there are."""
    deliveries = _deliveries(event)
    steps = [_received(event), *_warnings(event), *_routing(event)]
    for delivery in deliveries:
        steps += _delivery_steps(delivery)
    steps.sort(key=lambda step: step.time)
    sentence, state = _summary(event, deliveries)
    return Story(event, sentence, state, steps, deliveries)


def _deliveries(event: Event) -> list[Delivery]:
    items = list(
        QueueItem.objects.filter(source_type="event", source_id=event.pk)
        .select_related("integration")
        .order_by("created_at", "id")
    )
    logs: dict[UUID | None, list[IntegrationLog]] = defaultdict(list)
    rows = IntegrationLog.objects.filter(source_id=event.pk, item_id__isnull=False)
    for entry in rows.select_related("integration").defer("exchanges").order_by("id"):
        logs[entry.item_id].append(entry)
    names = {str(decision.get("route")): str(decision.get("name", "")) for decision in event.routing}
    return [_delivery(item, logs[item.pk], names) for item in items]


def _delivery(item: QueueItem, attempts: list[IntegrationLog], names: Mapping[str, str]) -> Delivery:
    route = names.get(str(item.route_id), "")
    sentence, state = _standing(item)
    return Delivery(item, item.integration, route, sentence, state, attempts)


def _received(event: Event) -> Step:
    text = ORIGINS.get(event.origin, f"It came in by {event.origin}.")
    if event.source:
        text += f" Source: {event.source}."
    if event.idempotency_key:
        text += f" Idempotency key: {event.idempotency_key}."
    return Step(event.received_at, "received", f"Received {event}", text, "ok")


def _warnings(event: Event) -> Iterable[Step]:
    for warning in event.warnings:
        yield Step(event.received_at, "warning", "Accepted with a warning", str(warning), "error")


def _routing(event: Event) -> Iterable[Step]:
    if not event.routing:
        text = "There was no route for this type of event. It is kept, and can be replayed once there is one."
        yield Step(event.received_at, "routing", "No route wanted it", text, "info")
    for decision in event.routing:
        outcome = str(decision.get("outcome", ""))
        name = decision.get("name") or "A route"
        yield Step(
            event.received_at,
            "routing",
            _routing_title(name, outcome),
            str(decision.get("reason") or ""),
            ROUTED.get(outcome, "info"),
        )


def _routing_title(name: str, outcome: str) -> str:
    endings = {
        "queued": "took it",
        "filtered": "did not take it",
        "disabled": "is switched off",
        "error": "could not decide",
    }
    return f"Route “{name}” {endings.get(outcome, outcome)}"


def _delivery_steps(delivery: Delivery) -> list[Step]:
    item = delivery.item
    title = f"Queued for {_first_name(delivery)}: {item.action if not item.target_index else 'delivery'}"
    text = f"By route “{delivery.route}”." if delivery.route else ""
    if item.replay_of_id:
        text = f"A replay of delivery {item.replay_of_id}."
    kind = "replay" if item.replay_of_id else "queued"
    steps = [Step(item.created_at, kind, title, text, "info", item.pk)]
    steps += [_attempt(entry) for entry in delivery.attempts]
    if item.state in FINISHED:
        at = item.finished_at or timezone.now()
        title = f"{FINISHED[State(item.state)]}: {item.integration}"
        steps.append(Step(at, "finished", title, delivery.sentence, delivery.state, item.pk))
    else:
        title = f"Waiting: {item.integration}" if item.state == State.PENDING else "Under way"
        steps.append(Step(timezone.now(), "waiting", title, delivery.sentence, delivery.state, item.pk))
    return steps


def _first_name(delivery: Delivery) -> str:
    return delivery.attempts[0].integration.name if delivery.attempts else delivery.integration.name


def _attempt(entry: IntegrationLog) -> Step:
    ok = entry.outcome == "ok"
    number = f"Attempt {entry.attempt}" if entry.attempt else entry.get_kind_display()
    title = f"{number} at {entry.integration} " + ("succeeded" if ok else "failed")
    text = advised(entry.message, entry.hint)
    return Step(entry.created_at, "attempt", title, text, "ok" if ok else "error", entry.item_id, entry.pk)


def _standing(item: QueueItem) -> tuple[str, str]:
    """Return where an item stands and the state for its colour."""
    if item.state == State.COMPLETED:
        known = f" Its id there is {item.external_id}." if item.external_id else ""
        return f"{item.integration.name} took it.{known}", "ok"
    if item.state == State.FAILED:
        return item.last_error or "It failed without a reason.", "error"
    if item.state == State.CANCELLED:
        return "Somebody cancelled it before it was delivered.", "info"
    if item.state == State.SKIPPED:
        return item.last_error or "It was not needed any more.", "info"
    if item.state == State.PROCESSING:
        return f"A worker is delivering it to {item.integration.name} now.", "waiting"
    return _why_waiting(item), "waiting"


def _why_waiting(item: QueueItem) -> str:
    integration, now = item.integration, timezone.now()
    if integration.status == Status.PAUSED:
        return f"{integration.name} is paused; the queue goes on when somebody resumes it."
    if integration.status == Status.RECONNECT:
        return f"{integration.name} needs reconnecting: {integration.status_reason}"
    if integration.circuit == Circuit.OPEN:
        return f"{integration.name} failed too often in a row; the hub waits before it tries again."
    if integration.blocked_until and integration.blocked_until > now:
        return f"{integration.name} asked to wait; it goes on {_clock(integration.blocked_until)}."
    if item.due_at > now:
        because = f" The last try failed: {item.last_error}" if item.last_error else ""
        return f"It is due {_clock(item.due_at)}.{because}"
    return "It is due and waits for a worker."


def _clock(moment: datetime) -> str:
    """Return ``in 5 minutes (14:02:07 CET)``, with the day where it is another."""
    local, today = timezone.localtime(moment), timezone.localdate()
    return f"{ago(moment)} ({format_date(local, 'H:i:s T' if local.date() == today else 'j M Y, H:i T')})"


def _summary(event: Event, deliveries: list[Delivery]) -> tuple[str, str]:
    if not deliveries:
        wanted = any(decision.get("outcome") == "error" for decision in event.routing)
        if wanted:
            return "Kept; a route could not decide about it.", "error"
        return "Kept; no route wanted it.", "info"
    counts: dict[str, int] = defaultdict(int)
    for delivery in deliveries:
        counts[delivery.item.state] += 1
    words = {
        State.COMPLETED: "delivered",
        State.FAILED: "failed",
        State.PROCESSING: "under way",
        State.PENDING: "waiting",
        State.CANCELLED: "cancelled",
        State.SKIPPED: "skipped",
    }
    parts = [f"{counts[state]} {word}" for state, word in words.items() if counts[state]]
    return f"{len(deliveries)} {_plural(len(deliveries))}: {', '.join(parts)}.", _worst(counts)


def _worst(counts: Mapping[str, int]) -> str:
    if counts[State.FAILED]:
        return "error"
    if counts[State.PENDING] or counts[State.PROCESSING]:
        return "waiting"
    return "ok" if counts[State.COMPLETED] else "info"


def _plural(count: int) -> str:
    return "delivery" if count == 1 else "deliveries"


def attempt_facts(entry: IntegrationLog) -> dict[str, Any]:
    """Return one attempt as plain data, without the exchanges."""
    return {
        "log_id": entry.pk,
        "at": entry.created_at,
        "integration": entry.integration.slug,
        "action": entry.action,
        "attempt": entry.attempt,
        "outcome": entry.outcome,
        "message": entry.message,
        "hint": entry.hint,
        "status_code": entry.status_code,
        "duration_ms": entry.duration_ms,
    }
