"""The queue's table, in batches: claim, settle, give back, extend, expire.

Plain SQL, because a claim or a settle of a hundred items must cost a few statements and no model
instances; the same text serves SQLite and PostgreSQL but for ``SKIP LOCKED``.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection, transaction

from hub.connections.models import Integration
from hub.delivery import log
from hub.delivery.log import db_key, db_time
from hub.delivery.models import QueueItem, State
from hub.lib.manyrows import run_many
from hub.lib.together import one_writer

#: A low priority is claimed as if it were due this many seconds later at most.
_LATEST_ORDER = 3600

_CLAIM = """
    WITH due AS (
        SELECT id FROM delivery_queueitem item
        WHERE integration_id = %s AND state = 'pending' AND claim_order <= %s AND due_at <= %s
            AND (sequence IS NULL OR NOT EXISTS (
                SELECT 1 FROM delivery_queueitem earlier
                WHERE earlier.sequence = item.sequence AND earlier.state IN ('pending', 'processing')
                    AND (earlier.created_at, earlier.id) < (item.created_at, item.id)
            ))
        ORDER BY claim_order LIMIT %s /* lock */
    )
    UPDATE delivery_queueitem
    SET state = 'processing', lease_owner = %s, lease_until = %s, fence = fence + 1
    WHERE id IN (SELECT id FROM due) AND state = 'pending'
    RETURNING id, organization_id, integration_id, action, mapping_id, targets, target_index,
        source_type, source_id, label, subject, priority, attempts, tries, fence, claim_order,
        sequence IS NOT NULL
"""
_SETTLE = """
    UPDATE delivery_queueitem
    SET state = column1, due_at = column2, claim_order = column3, attempts = column4, tries = column5,
        target_index = column6, integration_id = column7, action = column8, mapping_id = column9,
        last_error_kind = column10, last_error = column11, external_id = column12, result = column13,
        finished_at = column14, lease_owner = '', lease_until = NULL
    FROM ({values}) WHERE id = column15 AND fence = column16 AND state IN ('processing', 'pending')
"""
_OUTCOME = {
    "id": "uuid",
    "fence": "int",
    "state": "text",
    "due_at": "timestamptz",
    "claim_order": "float8",
    "attempts": "int",
    "tries": "int",
    "target_index": "int",
    "target_integration": "uuid",
    "target_action": "text",
    "target_mapping": "bigint",
    "error_kind": "text",
    "error": "text",
    "external_id": "text",
    "result": "jsonb",
    "finished_at": "timestamptz",
}
_TOO_LATE = "Came too late, another worker has the item. "
_LOGGED = {
    "message": f"CASE WHEN settled.id IS NULL THEN left('{_TOO_LATE}' || message, 1000) ELSE message END"
}
#: PostgreSQL settles a whole batch, and logs it, with one statement: a statement each costs it ten
#: times as much. The outcomes come as one JSON text. Whose fence is older than the row's came too
#: late: of those only the log is written, and their ids are returned.
_SETTLE_AND_LOG = f"""
    WITH outcome AS (
        SELECT * FROM json_to_recordset(%s::json)
        AS ({", ".join(f"{name} {kind}" for name, kind in {**_OUTCOME, **log.COLUMNS}.items())})
    ), settled AS (
        UPDATE delivery_queueitem item
        SET state = outcome.state, due_at = outcome.due_at, claim_order = outcome.claim_order,
            attempts = outcome.attempts, tries = outcome.tries, target_index = outcome.target_index,
            integration_id = target_integration, action = target_action, mapping_id = target_mapping,
            last_error_kind = error_kind, last_error = error, external_id = outcome.external_id,
            result = outcome.result, finished_at = outcome.finished_at, lease_owner = '', lease_until = NULL
        FROM outcome
        WHERE item.id = outcome.id AND item.fence = outcome.fence
            AND item.state IN ('processing', 'pending')
        RETURNING item.id
    ), logged AS (
        {log.INSERT}
        SELECT {", ".join(_LOGGED.get(name, name) for name in log.COLUMNS)}
        FROM outcome LEFT JOIN settled USING (id) ORDER BY created_at
    )
    SELECT id FROM outcome EXCEPT SELECT id FROM settled
"""  # noqa: S608  # nosec B608 (made of our own names)
_GIVE_BACK = """
    UPDATE delivery_queueitem SET state = 'pending', lease_owner = '', lease_until = NULL
    WHERE id = %s AND fence = %s AND state = 'processing'
"""
_EXTEND = """
    UPDATE delivery_queueitem SET lease_until = %s WHERE id = %s AND fence = %s AND state = 'processing'
"""
#: What changes on an integration's row while it is at work; all else changes ``updated_at``.
_LIVE = (
    *("status", "status_reason", "blocked_until", "circuit", "circuit_until", "circuit_opened"),
    "failure_streak",
)
_TIMES = frozenset({"blocked_until", "circuit_until"})
_LANES = f"""
    SELECT lane.id, lane.updated_at, credential.version, organization.deliveries_per_second,
        {", ".join(f"lane.{name}" for name in _LIVE)}
    FROM connections_integration lane
    JOIN accounts_organization organization ON organization.id = lane.organization_id
    LEFT JOIN connections_credential credential ON credential.integration_id = lane.id
    WHERE EXISTS (
        SELECT 1 FROM delivery_queueitem item
        WHERE item.integration_id = lane.id AND item.state = 'pending'
            AND item.claim_order <= %s AND item.due_at <= %s
    )
"""  # noqa: S608  # nosec B608 (made of our own names)
_BUSY = """
    SELECT EXISTS (SELECT 1 FROM delivery_queueitem WHERE state = 'processing') OR EXISTS (
        SELECT 1 FROM connections_integration lane
        WHERE lane.status = 'active' AND EXISTS (
            SELECT 1 FROM delivery_queueitem item
            WHERE item.integration_id = lane.id AND item.state = 'pending'
                AND item.claim_order <= %s AND item.due_at <= %s
        )
    )
"""


@dataclass(slots=True, eq=False)
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
    #: Others of its sequence may wait for its end.
    in_order: bool = False

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


@dataclass(slots=True, eq=False)
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


@dataclass(frozen=True, slots=True)
class DueLane:
    """An integration that has something due, and its state now.

    ``stamp`` changes with all else about the integration and its credential.
    """

    id: UUID
    stamp: tuple[Any, Any]
    #: Deliveries a second of its organization; None: any.
    quota: int | None
    live: Sequence[Any]

    def tell(self, integration: Integration) -> None:
        """Bring ``integration`` up to date."""
        integration.quota = self.quota
        for name, value in zip(_LIVE, self.live, strict=True):
            setattr(integration, name, value)


def due_lanes(now: datetime) -> list[DueLane]:
    """Return the integrations that have something due."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [now.timestamp() + _LATEST_ORDER, db_time(now)])
        return [DueLane(_uuid(row[0]), (row[1], row[2]), row[3], _live(row[4:])) for row in cursor.fetchall()]


def busy(now: datetime) -> bool:
    """Whether a delivery is under way, or one is due whose integration is not held by somebody.

    It asks one integration after the other, so that what waits for a later time costs nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BUSY, [now.timestamp() + _LATEST_ORDER, db_time(now)])
        return bool(cursor.fetchone()[0])


def _live(values: Sequence[Any]) -> list[Any]:
    return [_time(value) if name in _TIMES else value for name, value in zip(_LIVE, values, strict=True)]


def _time(value: datetime | None) -> datetime | None:
    """Return a time as plain SQL gave it with its time zone, which SQLite does not keep: UTC."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


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
    with one_writer(), connection.cursor() as cursor:
        cursor.execute(_CLAIM.replace("/* lock */", lock), values)
        return sorted((_claimed(row) for row in cursor.fetchall()), key=lambda item: item.claim_order)


def settle(settlements: Sequence[Settlement], now: datetime) -> list[Settlement]:
    """Write the outcomes and their log entries in one transaction.

    Return those that were stale: somebody else holds the item by now (their fence is newer), so
    that only the log entry was kept.
    """
    if connection.vendor == "postgresql":
        return _settle_at_once(settlements, now)
    key, time = log.plain_key(), log.plain_time()
    values = [_settle_values(settlement, now, key, time) for settlement in settlements]
    with one_writer(), transaction.atomic():
        settled = run_many(_settle_text, values)
        stale = [] if settled == len(settlements) else _stale(settlements)
        for settlement in stale:
            settlement.log.message = _TOO_LATE + settlement.log.message
        log.write(settlement.log for settlement in settlements)
    return stale


def _settle_text(values: str) -> str:
    return _SETTLE.format(values=values)


def _settle_at_once(settlements: Sequence[Settlement], now: datetime) -> list[Settlement]:
    outcomes = [_outcome(settlement, now) | log.as_json(settlement.log) for settlement in settlements]
    connection.ensure_connection()
    # Django's cursor writes values into the text of the statement; psycopg's own sends them beside it.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_SETTLE_AND_LOG, [orjson.dumps(outcomes, default=str).decode()])
        late = {row[0] for row in cursor.fetchall()}
    return [settlement for settlement in settlements if settlement.item.id in late]


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


def _outcome(settlement: Settlement, now: datetime) -> dict[str, Any]:
    item = settlement.item
    integration_id, action, mapping_id = item.target(settlement.target_index)
    return {
        "id": item.id,
        "fence": item.fence,
        "state": settlement.state.value,
        "due_at": settlement.due_at,
        "claim_order": settlement.due_at.timestamp() - item.priority,
        "attempts": settlement.attempts,
        "tries": settlement.tries,
        "target_index": settlement.target_index,
        "target_integration": integration_id,
        "target_action": action,
        "target_mapping": mapping_id,
        "error_kind": settlement.error_kind,
        "error": settlement.error[:1000],
        "external_id": settlement.external_id[:200],
        "result": settlement.result,
        "finished_at": None if settlement.state == State.PENDING else now,
    }


def _settle_values(
    settlement: Settlement,
    now: datetime,
    key: Callable[[UUID | None], Any],
    time: Callable[[datetime], Any],
) -> list[Any]:
    """Return the values of ``_SETTLE``, in its order."""
    outcome = _outcome(settlement, now)
    finished, result = outcome["finished_at"], outcome["result"]
    outcome |= {
        "due_at": time(outcome["due_at"]),
        "target_integration": key(outcome["target_integration"]),
        "result": None if result is None else orjson.dumps(result, default=str).decode(),
        "finished_at": time(finished) if finished else None,
    }
    identity = [key(outcome.pop("id")), outcome.pop("fence")]
    return [*outcome.values(), *identity]


def _claimed(row: Sequence[Any]) -> Claimed:
    targets = orjson.loads(row[5]) if isinstance(row[5], str) else row[5]
    return Claimed(
        _uuid(row[0]), row[1], _uuid(row[2]), row[3], row[4], targets, row[6], row[7], _uuid(row[8]), *row[9:]
    )


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(hex=value)
