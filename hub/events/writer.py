"""Writes events and their queue items: two statements, however many there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from hub.delivery.models import QueueItem
from hub.events.drafts import Draft
from hub.events.envelopes import SOURCE_TYPE
from hub.events.models import Event
from hub.events.routing import QUEUED, Decision
from hub.lib.ids import uuid7
from hub.lib.insert import Insert, Prepared, Row

_EVENTS = Insert(
    Event,
    "id", "type", "source", "subject", "time", "data", "origin", "webhook_id", "warnings", "routing",
    "received_at", "organization_id", "idempotency_key",
    once=("organization_id", "idempotency_key"),
)  # fmt: skip
_ITEMS = Insert(
    QueueItem,
    "id", "organization_id", "integration_id", "action", "mapping_id", "targets", "source_type", "source_id",
    "route_id", "label", "subject", "priority", "due_at", "claim_order", "created_at", "sequence",
)  # fmt: skip

#: Which event has an idempotency key: (organization, key) → (id, routing).
Earlier = Mapping[tuple[int, str], tuple[UUID, Any]]


class Arrival(NamedTuple):
    """An event that is about to be kept, and what the routes decided about it."""

    id: UUID
    organization_id: int
    draft: Draft
    decisions: list[Decision]
    warnings: list[str]
    origin: str
    webhook_id: int | None
    at: datetime

    @property
    def queued(self) -> list[Decision]:
        """The routes that want it."""
        return [decision for decision in self.decisions if decision.outcome == QUEUED]

    @property
    def key(self) -> tuple[int, str]:
        """What it is accepted once by; an empty text where it has no idempotency key."""
        return self.organization_id, self.draft.idempotency_key or ""

    def is_repeated(self, earlier: "Earlier") -> bool:
        """Whether another event has its key."""
        return earlier.get(self.key, (self.id,))[0] != self.id


class Rows(NamedTuple):
    """Arrivals in the form that the database takes; their queue items as if all of them were new."""

    events: Prepared
    items: Prepared
    queued: int


def prepare(arrivals: Sequence[Arrival]) -> Rows:
    """Return the arrivals' rows: what can be done before the transaction, so that it is short."""
    # In the order of the keys, so that two transactions with the same keys cannot wait for each other.
    ordered = sorted(arrivals, key=lambda arrival: arrival.key)
    items = _item_rows(arrivals)
    return Rows(
        _EVENTS.prepare([_event_row(arrival) for arrival in ordered]), _ITEMS.prepare(items), len(items)
    )


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several groups of arrivals as those of one."""
    events, items, queued = zip(*parts, strict=True)
    return Rows(_EVENTS.join(events), _ITEMS.join(items), sum(queued))


def write(arrivals: Sequence[Arrival], rows: Rows) -> tuple[Earlier, int]:
    """Insert what is new; return what was here before, and how many items were queued.

    The database decides who was first, also between two processes at once: the unique key makes the
    second wait for the first's commit and then insert nothing. Of two arrivals with one key the
    first is inserted.
    """
    if _EVENTS.run_prepared(rows.events) == len(arrivals):
        _ITEMS.run_prepared(rows.items)
        return {}, rows.queued
    earlier = earlier_of(arrivals)
    fresh = [arrival for arrival in arrivals if not arrival.is_repeated(earlier)]
    items = _item_rows(fresh)
    _ITEMS.run(items)
    return earlier, len(items)


def _item_rows(arrivals: Sequence[Arrival]) -> list[Row]:
    return [_item_row(arrival, decision) for arrival in arrivals for decision in arrival.queued]


def earlier_of(arrivals: Sequence[Arrival]) -> Earlier:
    """Return the events that have the arrivals' keys, also those of the transaction itself."""
    rows = Event.objects.filter(
        organization_id__in={arrival.organization_id for arrival in arrivals},
        idempotency_key__in={arrival.draft.idempotency_key for arrival in arrivals} - {None},
    ).values_list("organization_id", "idempotency_key", "id", "routing")
    return {(organization, str(key)): (pk, routing) for organization, key, pk, routing in rows}


def _event_row(arrival: Arrival) -> Row:
    draft = arrival.draft
    return (
        arrival.id,
        draft.type,
        draft.source,
        draft.subject,
        draft.time or arrival.at,
        draft.data,
        arrival.origin,
        arrival.webhook_id,
        arrival.warnings,
        [decision.as_json() for decision in arrival.decisions],
        arrival.at,
        arrival.organization_id,
        draft.idempotency_key,
    )


def _item_row(arrival: Arrival, decision: Decision) -> Row:
    draft, route = arrival.draft, decision.route
    first = route.targets[0]
    due_at = arrival.at if draft.deliver_at is None else max(arrival.at, draft.deliver_at)
    if route.delay:
        due_at += timedelta(seconds=route.delay)
    return (
        uuid7(),
        arrival.organization_id,
        first.integration_id,
        first.action,
        first.mapping_id,
        [target.as_json() for target in route.targets] if len(route.targets) > 1 else [],
        SOURCE_TYPE,
        arrival.id,
        route.id,
        draft.type[:200],
        draft.subject[:200],
        route.priority,
        due_at,
        QueueItem.order(due_at, route.priority),
        arrival.at,
        route.sequence_of(draft.subject),
    )
