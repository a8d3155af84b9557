"""One statement for many rows on SQLite.

Python's driver lets other threads go on at each step of a statement, and ``executemany`` takes a step for
each row. Beside threads at work, each of these steps waits for the interpreter ten times as long as it takes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import connection

Row = Sequence[Any]
#: Rows of one statement. A few sizes, so that each statement is compiled once and then kept.
SIZES = (128, 64, 16, 4, 1)


def run_many(statement: Callable[[str], str], rows: Sequence[Row], constants: str = "") -> int:
    """Run a statement over ``rows``, all as long; return how many rows of the table it came to.

    ``statement`` makes its text of that of the rows: ``VALUES (?, ?), (?, ?)``, whose columns are named
    ``column1``, ``column2`` where they are read like a table. ``constants`` (of ``literals``) are the last
    columns of each row.
    """
    touched = 0
    connection.ensure_connection()
    # Django's cursor looks through the text of each statement for places of values.
    with connection.wrap_database_errors:
        cursor = connection.connection.cursor()
        try:
            for piece in _pieces(rows):
                text = _text(statement, len(piece), len(piece[0]), constants)
                cursor.execute(text, [*chain.from_iterable(piece)])
                touched += cursor.rowcount
        finally:
            cursor.close()
    return touched


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    while start < len(rows):
        size = next(size for size in SIZES if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


@lru_cache(maxsize=256)
def _text(statement: Callable[[str], str], rows: int, columns: int, constants: str) -> str:
    row = f"({', '.join('?' * columns)}{constants})"
    return statement(f"VALUES {', '.join([row] * rows)}")


def literals(values: Iterable[Any]) -> str:
    """Return values that are the same in all rows as they stand in a statement's text.

    There they cost nothing; brought with each row they cost as much as those that differ. Raise TypeError
    for what is no text, number or None.
    """
    return "".join(f", {_literal(value)}" for value in values)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int | float):
        return repr(value + 0)
    raise TypeError(f"A {type(value).__name__} cannot stand in a statement's text.")
