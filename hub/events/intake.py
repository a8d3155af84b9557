"""The one way an event comes in: checked, kept, and queued for every route that wants it.

Everything happens in ONE transaction: once ``accept_events`` is committed, nothing is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from hub.accounts.models import Organization
from hub.delivery.enqueue import new_item
from hub.delivery.models import QueueItem
from hub.delivery.sources import Envelope
from hub.delivery.wake import wake
from hub.events.drafts import Draft, IntakeError, IntakeProblem, check_drafts
from hub.events.envelopes import SOURCE_TYPE
from hub.events.models import Event, EventType
from hub.events.routes import routes_of
from hub.events.routing import QUEUED, Decision, RouteView, decide
from hub.events.schemas import SchemaUnusable, data_reasons
from hub.lib.ids import uuid7

__all__ = ["Accepted", "Draft", "IntakeError", "IntakeProblem", "accept_event", "accept_events"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that is kept: its id, how many queue items it has, and whether it was here before."""

    event_id: UUID
    items: int
    duplicate: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Routed:
    """An unsaved event and what the routes decided about it."""

    event: Event
    decisions: list[Decision]
    deliver_at: datetime


def accept_event(
    organization: Organization, draft: Draft, *, origin: str = "api", webhook_id: int | None = None
) -> Accepted:
    """Accept one event; see ``accept_events``."""
    return accept_events(organization, [draft], origin=origin, webhook_id=webhook_id)[0]


def accept_events(
    organization: Organization,
    drafts: Sequence[Draft],
    *,
    origin: str = "api",
    webhook_id: int | None = None,
) -> list[Accepted]:
    """Keep ``drafts`` and queue their deliveries, all or none; one answer each, in their order.

    An idempotency key that the organization has used before (or earlier in the batch) names the
    event of then: nothing new is made. Raises IntakeError naming every field that is wrong. The
    number of queries does not depend on the size of the batch but for the inserts' chunks.
    """
    if not drafts:
        return []
    if problems := check_drafts(drafts, timezone.now()):
        raise IntakeError(problems)
    warnings = _check_schemas(organization, drafts)

    def accept() -> list[Accepted]:
        return _accept(organization, drafts, warnings, origin, webhook_id)

    try:
        return accept()
    except IntegrityError:
        # An integration or mapping was deleted since its routes were read; inside somebody else's
        # transaction there is no second try.
        if transaction.get_connection().in_atomic_block:
            raise
        return accept()


def _accept(
    organization: Organization,
    drafts: Sequence[Draft],
    warnings: Mapping[int, list[str]],
    origin: str,
    webhook_id: int | None,
) -> list[Accepted]:
    """Route first, so that the transaction (on SQLite, the one write lock) is short; then write."""
    now = timezone.now()
    routes = routes_of(organization.pk)
    firsts = _first_by_key(drafts)
    routed: dict[int, _Routed] = {}
    for index, draft in enumerate(drafts):
        if firsts.get(draft.idempotency_key or "", index) == index:
            # Each a microsecond later than the one before: the order of the batch is kept.
            entry = _route(organization, draft, routes, now + timedelta(microseconds=index))
            entry.event.warnings = [*draft.warnings, *warnings.get(index, ())]
            entry.event.origin, entry.event.webhook_id = origin, webhook_id
            routed[index] = entry
    with transaction.atomic():
        earlier = _insert(organization, [entry.event for entry in routed.values()])
        fresh = [entry for entry in routed.values() if entry.event.idempotency_key not in earlier]
        items = [item for entry in fresh for item in _items(entry)]
        if items:
            QueueItem.objects.bulk_create(items)
            transaction.on_commit(wake, robust=True)
    return [_answer(draft, index, routed, firsts, earlier) for index, draft in enumerate(drafts)]


def _check_schemas(organization: Organization, drafts: Sequence[Draft]) -> dict[int, list[str]]:
    """Hold the drafts against the schemas of their types; return the warnings by position."""
    rows = EventType.objects.filter(
        organization_id=organization.pk, name__in={draft.type for draft in drafts}, schema__isnull=False
    ).values_list("name", "schema", "on_invalid")
    if not (schemas := {name: (schema, on_invalid) for name, schema, on_invalid in rows}):
        return {}
    warnings: dict[int, list[str]] = {}
    refused: list[IntakeProblem] = []
    for index, draft in enumerate(drafts):
        if draft.type not in schemas:
            continue
        schema, on_invalid = schemas[draft.type]
        try:
            reasons = data_reasons(schema, draft.data)
        except SchemaUnusable as error:
            # A broken schema is the hub's fault, not the sender's: the event is never refused for it.
            warnings[index] = [str(error)]
            continue
        if on_invalid == EventType.OnInvalid.REJECT:
            refused += [_refusal(index, reason) for reason in reasons]
        else:
            warnings[index] = reasons
    if refused:
        raise IntakeError(refused)
    return warnings


def _refusal(index: int, reason: str) -> IntakeProblem:
    path, _, message = reason.partition(": ")
    return IntakeProblem(index, path, f"{message} (the event type's JSON Schema)")


def _first_by_key(drafts: Sequence[Draft]) -> dict[str, int]:
    """Return the position at which each idempotency key comes first."""
    firsts: dict[str, int] = {}
    for index, draft in enumerate(drafts):
        if draft.idempotency_key is not None:
            firsts.setdefault(draft.idempotency_key, index)
    return firsts


def _route(organization: Organization, draft: Draft, routes: Sequence[RouteView], now: datetime) -> _Routed:
    """Make the event, unsaved, and ask the routes."""
    envelope = Envelope(uuid7(), draft.type, draft.subject, draft.source, draft.time or now, draft.data)
    decisions = decide(routes, envelope.as_dict())
    event = Event(
        id=envelope.id,
        organization_id=organization.pk,
        type=draft.type,
        source=draft.source,
        subject=draft.subject,
        time=envelope.time,
        data=draft.data,
        idempotency_key=draft.idempotency_key,
        routing=[decision.as_json() for decision in decisions],
    )
    return _Routed(event, decisions, max(now, draft.deliver_at or now))


def _insert(organization: Organization, events: Sequence[Event]) -> dict[str | None, tuple[UUID, Any]]:
    """Insert; return (id, routing) of those that were here before, by idempotency key.

    The database decides who was first, also between two requests at once: the unique key makes the
    second wait for the first's commit and then insert nothing.
    """
    keys = {event.idempotency_key: event.id for event in events if event.idempotency_key is not None}
    if not keys:
        Event.objects.bulk_create(events)
        return {}
    # In the order of the keys, so that two batches with the same keys cannot wait for each other.
    ordered = sorted(events, key=lambda event: event.idempotency_key or "")
    Event.objects.bulk_create(ordered, ignore_conflicts=True)
    rows = Event.objects.filter(organization_id=organization.pk, idempotency_key__in=list(keys)).values_list(
        "idempotency_key", "id", "routing"
    )
    return {key: (pk, routing) for key, pk, routing in rows if key is not None and pk != keys[key]}


def _items(entry: _Routed) -> list[QueueItem]:
    return [
        new_item(
            organization_id=entry.event.organization_id,
            targets=decision.route.targets,
            source_type=SOURCE_TYPE,
            source_id=entry.event.id,
            route_id=decision.route.id,
            label=entry.event.type,
            subject=entry.event.subject,
            priority=decision.route.priority,
            due_at=entry.deliver_at + timedelta(seconds=decision.route.delay),
        )
        for decision in entry.decisions
        if decision.outcome == QUEUED
    ]


def _answer(
    draft: Draft,
    index: int,
    routed: dict[int, _Routed],
    firsts: dict[str, int],
    earlier: dict[str | None, tuple[UUID, Any]],
) -> Accepted:
    first = firsts.get(draft.idempotency_key or "", index)
    if draft.idempotency_key in earlier:
        event_id, routing = earlier[draft.idempotency_key]
        return Accepted(event_id, sum(entry["outcome"] == QUEUED for entry in routing), duplicate=True)
    entry = routed[first]
    queued = sum(decision.outcome == QUEUED for decision in entry.decisions)
    return Accepted(entry.event.id, queued, first != index, tuple(entry.event.warnings))
