"""Look-ups of very many keys at once: one statement, however many they are."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import psycopg
from django.db import connection

#: PostgreSQL's planner goes by statistics, which are missing or old while a table is being filled: it would
#: read all rows of a type, each time. So every value is looked up by itself (OFFSET 0: not joined after
#: all), and the parameters come out of a row, where the planner cannot take them for rare values.
_EACH = """
    SELECT found.* FROM (SELECT unnest(%b) AS value {params}) AS wanted
    CROSS JOIN LATERAL ({query} OFFSET 0) AS found
"""


def select_any(query: str, values: Sequence[str | int | UUID], *params: Any) -> list[tuple[Any, ...]]:
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
            cursor.execute(_each(query, len(params)), [list(values), *params])
            return cursor.fetchall()
    with connection.cursor() as database:
        known = query.replace("{any}", "IN (SELECT value FROM json_each(%s))")
        database.execute(known, [orjson.dumps(list(values)).decode(), *params])
        return database.fetchall()


@cache
def _each(query: str, params: int) -> str:
    """Return the statement that asks ``query`` for each value."""
    names = [f"param_{n}" for n in range(params)]
    query = query.replace("{any}", "= wanted.value").replace("%s", "wanted.%s") % tuple(names)
    return _EACH.replace("{params}", "".join(f", %s AS {name}" for name in names)).replace("{query}", query)
