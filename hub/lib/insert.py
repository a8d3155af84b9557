"""Inserts many rows of a model at the least cost: plain values, one statement, one round trip.

``bulk_create`` makes an instance of every row and asks each of its fields for each value; where
rows come by the thousand that costs several times what the database needs. On PostgreSQL the
columns travel as binary arrays (as text they cost ten times as much to write), on SQLite some rows
share a prepared statement.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models import DateTimeField, Field, ForeignKey, JSONField, Model, UUIDField

from hub.lib.compact import compact
from hub.lib.manyrows import literals, run_many

Row = tuple[Any, ...]
#: On PostgreSQL the defaults and a list per column, on SQLite a tuple per row, without the defaults.
Prepared = Sequence[Any]


class Insert:
    """An INSERT into a model's table of rows that give some of its columns; the others get their defaults."""

    def __init__(
        self, model: type[Model], *names: str, once: Sequence[str] = (), overwrite: Sequence[str] = ()
    ):
        """``names``: columns (``organization_id``) in the order of each row's values.

        ``once``: columns that are unique together; a row whose values are there already is left out,
        or gives its values of the columns ``overwrite`` to the row that is there.
        """
        self._model, self._names, self._once = model, names, tuple(once)
        self._overwrite = tuple(overwrite)

    def run(self, rows: Sequence[Row]) -> int:
        """Insert ``rows`` in their order; return how many were new or overwritten. Call it in a
        transaction.

        Two transactions that insert the same ``once`` values wait for each other: bring rows in
        the order of these values, and they cannot wait in a circle.
        """
        return self.run_prepared(self.prepare(rows))

    def prepare(self, rows: Sequence[Row]) -> Prepared:
        """Return ``rows`` in the form that the database takes: the part of ``run`` that needs no lock."""
        if not rows:
            return ()
        given = zip(*rows, strict=True)
        columns = [prepare(column) for prepare, column in zip(self._prepare, given, strict=True)]
        if connection.vendor == "postgresql":
            return [*self._defaults.values(), *columns]
        return [*zip(*columns, strict=True)]

    def join(self, parts: Sequence[Prepared]) -> Prepared:
        """Return as one what ``prepare`` returned for several, in their order."""
        parts = [part for part in parts if part]
        if len(parts) < 2:
            return parts[0] if parts else ()
        if connection.vendor != "postgresql":
            return [*chain.from_iterable(parts)]
        constants = len(self._defaults)
        columns = zip(*(part[constants:] for part in parts), strict=True)
        return [*parts[0][:constants], *([*chain.from_iterable(column)] for column in columns)]

    def run_prepared(self, prepared: Prepared) -> int:
        """Insert what ``prepare`` returned; see ``run``."""
        if not prepared:
            return 0
        if connection.vendor == "postgresql":
            return self._run_arrays(prepared)
        return run_many(self._of_values, prepared, self._literals)

    def _run_arrays(self, values: Prepared) -> int:
        # Django's cursor writes values into the text of the statement; psycopg's own sends them beside it.
        connection.ensure_connection()
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(self._arrays, values)
            return cursor.rowcount

    @cached_property
    def _fields(self) -> "dict[str, Field[Any, Any]]":
        """The model's fields by column; a key that the database counts up is left to it."""
        fields = self._model._meta.concrete_fields
        return {str(field.column): field for field in fields if not field.db_returning}

    @cached_property
    def _prepare(self) -> list[Callable[[Sequence[Any]], Sequence[Any]]]:
        return [_preparation(self._fields[name]) for name in self._names]

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        """What the columns get that no row names."""
        return {
            name: _preparation(field)([field.get_default()])[0]
            for name, field in self._fields.items()
            if name not in self._names
        }

    @cached_property
    def _literals(self) -> str:
        return literals(self._defaults.values())

    @cached_property
    def _of_values(self) -> Callable[[str], str]:
        return lambda values: f"{self._beginning} {values} {self._ending}"

    @cached_property
    def _arrays(self) -> Any:
        arrays = ", ".join(f"%b::{_kind(self._fields[name])}[]" for name in self._names)
        constants = "".join(f", %s::{_kind(self._fields[name])}" for name in self._defaults)
        source = ["SELECT fresh.*", constants, "FROM", f"unnest({arrays})", "AS fresh"]
        return " ".join([self._beginning, *source, self._ending])

    @property
    def _beginning(self) -> str:
        return f"INSERT INTO {self._model._meta.db_table} ({', '.join([*self._names, *self._defaults])})"

    @property
    def _ending(self) -> str:
        if not self._once:
            return ""
        given = ", ".join(f"{name} = excluded.{name}" for name in self._overwrite)
        deed = " ".join(("UPDATE SET", given)) if given else "NOTHING"
        return f"ON CONFLICT ({', '.join(self._once)}) DO {deed}"


def _kind(field: "Field[Any, Any]") -> str:
    """Return the column's type without its length: too long a text is refused where it is stored."""
    return str(field.db_type(connection)).partition("(")[0]


def _preparation(field: "Field[Any, Any]") -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return what makes the database's values of a column's."""
    if isinstance(field, JSONField):
        return _json_texts
    if connection.vendor == "postgresql":
        return list
    if isinstance(field.target_field if isinstance(field, ForeignKey) else field, UUIDField):
        return _hex_texts
    if isinstance(field, DateTimeField):
        return _time_texts
    return list


def _json_texts(values: Iterable[Any]) -> list[str | None]:
    # Most lists of a row are empty.
    return [None if value is None else "[]" if value == [] else compact(value).decode() for value in values]


def _hex_texts(values: Sequence[UUID | None]) -> list[str | None]:
    # Rows that are written together name the same few others.
    texts = {key: value.hex for key, value in {id(value): value for value in values if value}.items()}
    return [texts.get(id(value)) for value in values]


def _time_texts(values: Iterable[datetime | None]) -> list[str | None]:
    return [None if value is None else time_text(value) for value in values]


@lru_cache(maxsize=4096)
def time_text(value: datetime) -> str:
    """Return a time as Django's backend keeps it on SQLite: UTC, without saying so.

    Rows that are written together have the same times.
    """
    text = value.isoformat(" ")
    return text[:-6] if text.endswith("+00:00") else str(value.astimezone(UTC).replace(tzinfo=None))
