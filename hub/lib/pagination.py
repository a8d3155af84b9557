"""Keyset pagination: a page begins behind the last row of the one before, however long the table is.

A cursor is base64url of JSON ``[order, value, primary key]``. It is no secret and proves nothing: a
forged one only begins elsewhere in rows that the caller may list anyway.
"""

import base64
from typing import Any, TypeVar

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)

#: More rows than this are never given at once.
MAX_LIMIT = 500


class CursorError(ValueError):
    """The cursor is not one that this list gave out; leave it out to begin at the first page."""


def keyset_page(
    queryset: QuerySet[Row], *, cursor: str | None, limit: int, order: str = "-id"
) -> tuple[list[Row], str | None]:
    """Return up to ``limit`` rows after ``cursor``, and the cursor of the next page or None.

    ``order``: one column, ``-`` before it for newest first; equal values are ordered by primary
    key. Raise CursorError for a foreign cursor, ValueError for a wrong limit.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.")
    column, down = order.removeprefix("-"), order.startswith("-")
    rows = queryset.order_by(order, "-pk" if down else "pk")
    if cursor:
        rows = rows.filter(_behind(queryset.model, cursor, order, column, "lt" if down else "gt"))
    page = list(rows[: limit + 1])
    if len(page) <= limit:
        return page, None
    del page[limit:]
    return page, _encode(order, getattr(page[-1], column), page[-1].pk)


def _behind(model: type[Model], cursor: str, order: str, column: str, side: str) -> Q:
    value, key = _decode(model, cursor, order, column)
    if column in ("pk", model._meta.pk.name):
        return Q(**{f"pk__{side}": key})
    return Q(**{f"{column}__{side}": value}) | Q(**{column: value, f"pk__{side}": key})


def _encode(order: str, value: Any, key: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([order, value, key], default=str)).decode().rstrip("=")


def _decode(model: type[Model], cursor: str, order: str, column: str) -> tuple[Any, Any]:
    """Return (value, primary key) in the types of their columns."""
    key_field = model._meta.pk
    value_field = key_field if column == "pk" else model._meta.get_field(column)
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        named, value, key = orjson.loads(raw)
        if named != order or value is None or key is None:
            raise ValueError(named)
        return value_field.to_python(value), key_field.to_python(key)  # type: ignore[union-attr]
    except (ValueError, TypeError, ValidationError, OverflowError):
        raise CursorError(CursorError.__doc__) from None
