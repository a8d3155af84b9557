"""Look-ups of very many keys at once: one statement, however many they are."""

from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
from django.db import connection

#: Joined or compared with a list, a table whose statistics are missing or old (one that is just being
#: filled) would be read whole each time. OFFSET 0 keeps the planner from joining after all.
_EACH = "SELECT found.* FROM unnest(%b) AS wanted (value) CROSS JOIN LATERAL ({query} OFFSET 0) AS found"


def select_any(query: str, values: Sequence[str | int], *params: Any) -> list[tuple[Any, ...]]:
    """Return the rows of ``query``, whose first placeholder, ``{any}``, stands for any of ``values``.

    ``params`` are those after it, as the database takes them. JSON comes as text, times as the database
    gives them (``hub.lib.plain``). On PostgreSQL the query is asked once for each value, so that what it
    costs depends on how many are asked for, never on how many rows there are.
    """
    if not values:
        return []
    if connection.vendor == "postgresql":
        # Beside the statement, not written into it: escaping thousands of texts costs more than the look-up.
        connection.ensure_connection()
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            each = _EACH.replace("{query}", query.replace("{any}", "= wanted.value"))
            cursor.execute(each, [list(values), *params])
            return cursor.fetchall()
    with connection.cursor() as database:
        known = query.replace("{any}", "IN (SELECT value FROM json_each(%s))")
        database.execute(known, [orjson.dumps(list(values)).decode(), *params])
        return database.fetchall()
