"""Up to which id a table that only grows is complete.

Ids are given out before the commit, so a row may appear below the newest one that can be seen. A
fixed delay would only make that rare: a worker that was stopped, a full disk or a clock that is off
lasts longer than any delay. So PostgreSQL is asked instead: who inserts holds a lock on the table
from before the id is given out until after the commit. When everybody who held that lock after the
newest id was read has let go of it, nothing can appear below that id any more. Readers hold no such
lock, nothing is blocked, and transactions on other tables do not matter. SQLite has one writer at a
time: ids appear in their order.
"""

import time

from django.db import connection, models

#: Seconds to wait for the writers of the moment; a delivery is settled in milliseconds.
PATIENCE = 5.0
_LOOK_AGAIN = 0.02

_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND granted AND mode = 'RowExclusiveLock'
        AND relation = %s::regclass AND pid IS DISTINCT FROM pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def final_id(model: type[models.Model], patience: float = PATIENCE) -> int | None:
    """Return the newest id of ``model`` once no row can appear below it.

    None where somebody keeps a transaction open for longer than ``patience`` seconds: ask again later.
    """
    newest = model._default_manager.aggregate(newest=models.Max("pk"))["newest"] or 0
    if connection.vendor != "postgresql":
        return newest
    deadline = time.monotonic() + patience
    open_then = _writers(model)
    while open_then:
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_AGAIN)
        open_then &= _writers(model)
    return newest


def _writers(model: type[models.Model]) -> set[str]:
    """Return the transactions of others that may have inserted rows and are not at their end."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS, [connection.ops.quote_name(model._meta.db_table)])
        return {row[0] for row in cursor.fetchall()}
