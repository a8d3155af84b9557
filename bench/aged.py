"""Fills the queue with rows by the million: what a hub that has run for long has in its tables."""

from typing import Any

from django.db import connection

from hub.connections.models import Integration
from hub.delivery.models import QueueItem, State

AT_ONCE = 250_000
#: Days before now at which what is finished was made, and after now at which what waits is due.
LONG_AGO, LATER = 400, 30
#: A UUIDv7 of that time, each a hundredth of a millisecond after the other.
_FILL = """
    INSERT INTO delivery_queueitem (id, organization_id, integration_id, action, targets, target_index,
        source_type, source_id, label, subject, state, priority, due_at, claim_order, attempts, tries, fence,
        lease_owner, last_error_kind, last_error, external_id, created_at, finished_at)
    SELECT (lpad(to_hex(made.ms + n / 100), 12, '0') || '7' || lpad(to_hex(n %% 4096), 3, '0') || '8'
            || lpad(to_hex(n), 15, '0'))::uuid,
        %s, %s, 'http.send', '[]', 0, 'event', gen_random_uuid(), 'bench.order', '', %s, 0, made.due,
        extract(epoch from made.due), 1, 1, 1, '', '', '', '', now() - make_interval(days => %s),
        CASE WHEN %s = 'pending' THEN NULL ELSE made.due END
    FROM generate_series(%s::bigint, %s::bigint) AS n,
        LATERAL (SELECT (extract(epoch from now() - make_interval(days => %s)) * 1000)::bigint AS ms,
            now() + make_interval(days => %s) AS due) AS made
"""


def fill(integration: Integration, state: State, first: int, count: int) -> None:
    """Insert ``count`` items in ``state``, numbered from ``first``: finished long ago, or due much later."""
    days = LATER if state == State.PENDING else -LONG_AGO
    for start in range(first, first + count, AT_ONCE):
        end = min(start + AT_ONCE, first + count) - 1
        values: list[Any] = [integration.organization_id, integration.pk, state.value, LONG_AGO, state.value]
        with connection.cursor() as cursor:
            cursor.execute(_FILL, [*values, start, end, LONG_AGO, days])
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {QueueItem._meta.db_table}")


def left(integration: Integration, state: State) -> int:
    """Return how many of them are there."""
    return QueueItem.objects.filter(integration=integration, state=state).count()


def oldest(integration: Integration, state: State) -> str:
    """Return the key of the first of them; empty where none is left."""
    rows = QueueItem.objects.filter(integration=integration, state=state).order_by("pk")
    return str(rows.values_list("pk", flat=True).first() or "")
