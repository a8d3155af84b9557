"""The queue's table, in batches: claim, settle, give back, extend, expire.

Plain SQL, because a claim or a settle of a hundred items must cost a few statements and no model
instances; the same text serves SQLite and PostgreSQL but for ``SKIP LOCKED``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from hub.delivery import log
from hub.delivery.log import db_key, db_time
from hub.delivery.models import QueueItem, State

#: A low priority is claimed as if it were due this many seconds later at most.
_LATEST_ORDER = 3600

_CLAIM = """
    WITH due AS (
        SELECT id FROM delivery_queueitem
        WHERE integration_id = %s AND state = 'pending' AND claim_order <= %s AND due_at <= %s
        ORDER BY claim_order LIMIT %s /* lock */
    )
    UPDATE delivery_queueitem
    SET state = 'processing', lease_owner = %s, lease_until = %s, fence = fence + 1
    WHERE id IN (SELECT id FROM due) AND state = 'pending'
    RETURNING id, organization_id, integration_id, action, mapping_id, targets, target_index,
        source_type, source_id, label, subject, priority, attempts, tries, fence, claim_order
"""
_SETTLE = """
    UPDATE delivery_queueitem
    SET state = %s, due_at = %s, claim_order = %s, attempts = %s, tries = %s, target_index = %s,
        integration_id = %s, action = %s, mapping_id = %s, last_error_kind = %s, last_error = %s,
        external_id = %s, result = %s, finished_at = %s, lease_owner = '', lease_until = NULL
    WHERE id = %s AND fence = %s AND state IN ('processing', 'pending')
"""
_SETTLE_MANY = """
    UPDATE delivery_queueitem item
    SET state = v.state, due_at = v.due_at, claim_order = v.claim_order, attempts = v.attempts,
        tries = v.tries, target_index = v.target_index, integration_id = v.integration_id, action = v.action,
        mapping_id = v.mapping_id, last_error_kind = v.error_kind, last_error = v.error,
        external_id = v.external_id, result = v.result::jsonb, finished_at = v.finished_at,
        lease_owner = '', lease_until = NULL
    FROM unnest(%s::text[], %s::timestamptz[], %s::float8[], %s::int[], %s::int[], %s::int[], %s::uuid[],
        %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
        %s::uuid[], %s::int[])
        AS v (state, due_at, claim_order, attempts, tries, target_index, integration_id, action, mapping_id,
            error_kind, error, external_id, result, finished_at, id, fence)
    WHERE item.id = v.id AND item.fence = v.fence AND item.state IN ('processing', 'pending')
"""
_GIVE_BACK = """
    UPDATE delivery_queueitem SET state = 'pending', lease_owner = '', lease_until = NULL
    WHERE id = %s AND fence = %s AND state = 'processing'
"""
_EXTEND = """
    UPDATE delivery_queueitem SET lease_until = %s WHERE id = %s AND fence = %s AND state = 'processing'
"""
_LANES = """
    SELECT id FROM connections_integration lane
    WHERE EXISTS (
        SELECT 1 FROM delivery_queueitem item
        WHERE item.integration_id = lane.id AND item.state = 'pending'
            AND item.claim_order <= %s AND item.due_at <= %s
    )
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A queue item that this worker holds until its lease ends or it settles."""

    id: UUID
    organization_id: int
    integration_id: UUID
    action: str
    mapping_id: int | None
    targets: list[dict[str, Any]]
    target_index: int
    source_type: str
    source_id: UUID
    label: str
    subject: str
    priority: int
    attempts: int
    tries: int
    fence: int
    claim_order: float

    @property
    def idempotency_key(self) -> str:
        """See ``QueueItem.idempotency_key``."""
        return f"hub_{self.id.hex}"

    def target(self, index: int) -> tuple[UUID, str, int | None]:
        """Return (integration, action, mapping) of one of the item's targets."""
        if not self.targets:
            return self.integration_id, self.action, self.mapping_id
        stop = self.targets[index]
        return UUID(stop["integration"]), stop["action"], stop["mapping"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a claimed item becomes, and the log entry that says so."""

    item: Claimed
    state: State
    due_at: datetime
    attempts: int
    tries: int
    target_index: int
    error_kind: str
    error: str
    external_id: str
    result: Any
    log: log.Entry


def lanes_with_due_items(now: datetime) -> list[UUID]:
    """Return the integrations that have something due."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [now.timestamp() + _LATEST_ORDER, db_time(now)])
        return [_uuid(row[0]) for row in cursor.fetchall()]


def claim(integration_id: UUID, limit: int, owner: str, lease: float, now: datetime) -> list[Claimed]:
    """Take up to ``limit`` due items of one integration for ``lease`` seconds, most important first."""
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    values = [
        db_key(integration_id),
        now.timestamp() + _LATEST_ORDER,
        db_time(now),
        limit,
        owner,
        db_time(now + timedelta(seconds=lease)),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM.replace("/* lock */", lock), values)
        return sorted((_claimed(row) for row in cursor.fetchall()), key=lambda item: item.claim_order)


def settle(settlements: Sequence[Settlement], now: datetime) -> list[Settlement]:
    """Write the outcomes and their log entries in one transaction.

    Return those that were stale: somebody else holds the item by now (their fence is newer), so
    that only the log entry was kept.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        rows = [_settle_values(settlement, now) for settlement in settlements]
        if connection.vendor == "postgresql":
            # One statement for all: a statement each costs PostgreSQL ten times as much.
            cursor.execute(_SETTLE_MANY, [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_SETTLE, rows)
        stale = [] if cursor.rowcount == len(settlements) else _stale(settlements)
        for settlement in stale:
            settlement.log.message = f"Came too late, another worker has the item. {settlement.log.message}"
        log.write(settlement.log for settlement in settlements)
    return stale


def _stale(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Of settlements just written, return those whose item is not as they left it."""
    fences = dict(
        QueueItem.objects.filter(pk__in=[settlement.item.id for settlement in settlements])
        .exclude(state=State.PROCESSING)
        .values_list("pk", "fence")
    )
    return [
        settlement for settlement in settlements if fences.get(settlement.item.id) != settlement.item.fence
    ]


def give_back(items: Iterable[Claimed]) -> None:
    """Return claimed items unsent; they are due at once."""
    _each(_GIVE_BACK, [[db_key(item.id), item.fence] for item in items])


def extend(items: Iterable[Claimed], lease: float, now: datetime) -> None:
    """Hold items for ``lease`` more seconds."""
    until = db_time(now + timedelta(seconds=lease))
    _each(_EXTEND, [[until, db_key(item.id), item.fence] for item in items])


def _each(sql: str, rows: list[list[Any]]) -> None:
    if rows:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(sql, rows)


def _settle_values(settlement: Settlement, now: datetime) -> list[Any]:
    item = settlement.item
    integration_id, action, mapping_id = item.target(settlement.target_index)
    return [
        settlement.state.value,
        db_time(settlement.due_at),
        settlement.due_at.timestamp() - item.priority,
        settlement.attempts,
        settlement.tries,
        settlement.target_index,
        db_key(integration_id),
        action,
        mapping_id,
        settlement.error_kind,
        settlement.error[:1000],
        settlement.external_id[:200],
        None if settlement.result is None else orjson.dumps(settlement.result, default=str).decode(),
        None if settlement.state == State.PENDING else db_time(now),
        db_key(item.id),
        item.fence,
    ]


def _claimed(row: Sequence[Any]) -> Claimed:
    targets = orjson.loads(row[5]) if isinstance(row[5], str) else row[5]
    return Claimed(
        _uuid(row[0]), row[1], _uuid(row[2]), row[3], row[4], targets, row[6], row[7], _uuid(row[8]), *row[9:]
    )


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(hex=value)
