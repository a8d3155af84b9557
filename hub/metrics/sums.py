"""Sums of many columns as one expression.

Two dozen expressions of Django's, in each part of a union, took it longer to put together than the database
needs to add up the figures of a month. The text of one list of sums is made once.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.models import Func, JSONField

from hub.delivery.models import IntegrationLog
from hub.metrics import histogram
from hub.metrics.models import OUTCOMES

_LOST = "lease_expired"


class Sums(Func):
    """Several aggregates as a list, in their order. Made by ``sums`` and ``raw_sums``."""

    function = "jsonb_build_array"
    template = "%(function)s(%(terms)s)"
    output_field = JSONField()
    contains_aggregate = True

    def __init__(self, terms: str):
        super().__init__(terms=terms)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """The same by its other name."""
        return super().as_sql(compiler, connection, function="json_array")


def sums(model: Any, columns: Sequence[str]) -> Sums:
    """Return the sums of ``columns`` of a table of figures."""
    return Sums(_terms(model._meta.db_table, tuple(columns)))


def raw_sums(columns: Sequence[str]) -> Sums:
    """Return of log rows what ``sums`` returns of rolled-up ones; 0 for what only rollups count."""
    return Sums(_raw_terms(tuple(columns)))


@lru_cache(maxsize=64)
def _terms(table: str, columns: tuple[str, ...]) -> str:
    return ", ".join(f'SUM("{table}"."{column}")' for column in columns)


@lru_cache(maxsize=64)
def _raw_terms(columns: tuple[str, ...]) -> str:
    return ", ".join(map(_raw_term, columns))


def _raw_term(column: str) -> str:
    if column == "duration_ms":
        return f"COALESCE(SUM({_log('duration_ms')}), 0)"
    meaning = _meaning(column)
    return f"COUNT(*) FILTER (WHERE {meaning})" if meaning else "0"


def _meaning(column: str) -> str:
    """Return the condition under which a log row counts for ``column``; nothing for none."""
    known = [outcome for outcome in OUTCOMES if outcome not in ("lost", "other")]
    outcome = _log("outcome")
    if column in known:
        return f"{outcome} = '{column}'"
    if column == "lost":
        return f"{outcome} = '{_LOST}'"
    if column == "other":
        others = ", ".join(f"'{word}'" for word in (*known, _LOST))
        return f"{outcome} NOT IN ({others})"
    if column in histogram.COLUMNS:
        return f"{_within(histogram.COLUMNS.index(column))} AND {outcome} <> '{_LOST}'"
    return ""


def _within(place: int) -> str:
    took = _log("duration_ms")
    bounds = [f"{took} > {histogram.BOUNDS[place - 1]}"] if place else []
    if place < len(histogram.BOUNDS):
        bounds.append(f"{took} <= {histogram.BOUNDS[place]}")
    return " AND ".join(bounds)


def _log(column: str) -> str:
    return f'"{IntegrationLog._meta.db_table}"."{column}"'
