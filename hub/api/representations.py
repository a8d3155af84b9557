"""The hub's rows as the API shows them: plain data, never a secret."""

from typing import Any

from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, Priority, QueueItem
from hub.events.models import Event
from hub.events.story import Delivery, Step, Story, attempt_facts
from hub.metrics.stats import Health, Problem


def event_facts(event: Event) -> dict[str, Any]:
    """Return an event without its data."""
    return {
        "id": event.pk,
        "type": event.type,
        "subject": event.subject,
        "source": event.source,
        "time": event.time,
        "received_at": event.received_at,
        "origin": event.origin,
        "idempotency_key": event.idempotency_key,
        "warnings": event.warnings,
    }


def story_facts(story: Story) -> dict[str, Any]:
    """Return an event with its data and everything that happened to it."""
    return {
        **event_facts(story.event),
        "data": story.event.data,
        "summary": story.sentence,
        "state": story.state,
        "routing": story.event.routing,
        "deliveries": [_delivery(delivery) for delivery in story.deliveries],
        "story": [_step(step) for step in story.steps],
    }


def integration_facts(integration: Integration) -> dict[str, Any]:
    """Return an integration and where it stands."""
    return {
        "id": integration.pk,
        "slug": integration.slug,
        "name": integration.name,
        "provider": integration.provider_slug,
        "sandbox": integration.sandbox,
        "status": integration.status,
        "status_reason": integration.status_reason,
        "circuit": integration.circuit,
        "account": integration.account_label,
        "last_test": _last_test(integration),
    }


def health_facts(health: Health) -> dict[str, Any]:
    """Return an integration's health."""
    return {
        **integration_facts(health.integration),
        "health": health.state,
        "sentence": health.sentence,
        "success_rate_24h": health.success_rate,
        "succeeded_24h": health.succeeded_24h,
        "failed_24h": health.failed_24h,
        "queue_depth": health.queue_depth,
        "in_flight": health.in_flight,
        "failed_items": health.failed_items,
        "oldest_due": health.oldest_due,
    }


def problem_facts(problem: Problem) -> dict[str, Any]:
    """Return something that went wrong."""
    return {
        "at": problem.at,
        "kind": problem.kind,
        "message": problem.message,
        "hint": problem.hint,
        "log_id": problem.log_id,
        "item": problem.item_id,
        "event": problem.source_id,
    }


def log_facts(entry: IntegrationLog, *, exchanges: bool) -> dict[str, Any]:
    """Return an entry of the integration log; its requests and answers were masked when written."""
    facts = {
        **attempt_facts(entry),
        "kind": entry.kind,
        "item": entry.item_id,
        "event": entry.source_id,
    }
    if exchanges:
        facts["exchanges"] = entry.exchanges
    return facts


def item_facts(item: QueueItem) -> dict[str, Any]:
    """Return a queue item."""
    return {
        "id": item.pk,
        "event": item.source_id,
        "event_type": item.label,
        "subject": item.subject,
        "integration": item.integration.slug,
        "action": item.action,
        "state": item.state,
        "priority": Priority(item.priority).name.lower(),
        "due_at": item.due_at,
        "attempts": item.attempts,
        "error_kind": item.last_error_kind,
        "error": item.last_error,
        "external_id": item.external_id,
        "replay_of": item.replay_of_id,
        "created_at": item.created_at,
        "finished_at": item.finished_at,
    }


def _last_test(integration: Integration) -> dict[str, Any] | None:
    if integration.tested_at is None:
        return None
    return {
        "at": integration.tested_at,
        "ok": integration.test_ok,
        "message": integration.test_message,
        "latency_ms": integration.test_latency_ms,
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    item = delivery.item
    return {
        "item": item.pk,
        "integration": delivery.integration.slug,
        "action": item.action,
        "route": delivery.route,
        "state": item.state,
        "sentence": delivery.sentence,
        "due_at": item.due_at,
        "finished_at": item.finished_at,
        "external_id": item.external_id,
        "idempotency_key": item.idempotency_key,
        "replay_of": item.replay_of_id,
        "attempts": [attempt_facts(entry) for entry in delivery.attempts],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "at": step.time,
        "kind": step.kind,
        "state": step.state,
        "title": step.title,
        "text": step.text,
        "item": step.item_id,
        "log_id": step.log_id,
    }
