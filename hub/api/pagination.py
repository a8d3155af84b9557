"""Pages of lists: a cursor that stays right while rows are added (keyset, never OFFSET)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api.problems import FieldProblem
from hub.lib.ids import first_at
from hub.lib.pagination import CursorError, keyset_page

DEFAULT, MOST = 50, 200
#: Years of times that are asked for: of these, each moment can be told in every time zone.
FIRST_YEAR, LAST_YEAR = 1970, 9998


def page(request: Request, rows: QuerySet[Any], show: Callable[[Any], dict[str, Any]]) -> Response:
    """Return one page of ``rows``, newest first; raise FieldProblem for a bad cursor or limit."""
    limit = count(request, "limit", DEFAULT, MOST)
    try:
        found, next_cursor = keyset_page(rows, cursor=request.query_params.get("cursor", ""), limit=limit)
    except CursorError as error:
        raise FieldProblem([("cursor", str(error))]) from None
    answer = Response({"results": [show(row) for row in found], "next_cursor": next_cursor})
    link_next(request, answer, next_cursor)
    return answer


def link_next(request: Request, answer: Response, cursor: str | None) -> None:
    """Say in the header ``Link`` (RFC 8288) where the next page is; nothing on the last one.

    Relative, as ``Location`` is: behind a proxy the hub knows neither scheme nor host that the caller
    used, and the caller sends a key there.
    """
    if cursor:
        query = request.query_params.copy()
        query["cursor"] = cursor
        answer.headers["Link"] = f'<{quote(request.path)}?{query.urlencode()}>; rel="next"'


def choice(request: Request, name: str, allowed: list[str]) -> str:
    """Return a query parameter that must be one of ``allowed``, or empty."""
    value = request.query_params.get(name)
    if value is None:
        return ""
    if value not in allowed:
        raise FieldProblem([(name, f"'{name}' is one of: {', '.join(allowed)}.")])
    return value


def only_known(request: Request, *names: str, but: tuple[str, ...] = ()) -> None:
    """Raise FieldProblem for a query parameter that does not exist or is empty: a slip must not mean 'all'.

    ``but``: of those that lists have (cursor, limit) the ones that this one has not.
    """
    known = {*names, "cursor", "limit"}.difference(but)
    if twice := sorted(name for name, values in request.query_params.lists() if len(values) > 1):
        raise FieldProblem([(name, f"{name!r} is given more than once; which one counts?") for name in twice])
    if empty := sorted(name for name in names if request.query_params.get(name) == ""):
        raise FieldProblem(
            [(name, f"'{name}' is empty; give it a value, or leave it out.") for name in empty]
        )
    if unknown := sorted(set(request.query_params) - known):
        raise FieldProblem(
            [
                (name, f"There is no parameter {name!r}; there are: {', '.join(sorted(known))}.")
                for name in unknown
            ]
        )


def identifier(request: Request, name: str) -> UUID | None:
    """Return a query parameter that is an id, or None where it was not given; raise FieldProblem."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        message = f"'{name}' is an id like 01980f6e-2f9a-7c31-9d6e-0a1b2c3d4e5f."
        raise FieldProblem([(name, message)]) from None


def of_ids(request: Request, rows: QuerySet[Any], **columns: str) -> QuerySet[Any]:
    """Return those of ``rows`` that the ids name which were given; ``columns``: parameter → column."""
    given = {column: identifier(request, name) for name, column in columns.items()}
    return rows.filter(**{column: value for column, value in given.items() if value is not None})


def moment(request: Request, name: str) -> datetime | None:
    """Return a query parameter that is a time, or None where it was not given; raise FieldProblem."""
    text = request.query_params.get(name)
    if text is None:
        return None
    # A plus sign in an address stands for a space, and is easily left as it is.
    found = parsed_time(text.replace(" ", "+"))
    if found is None:
        message = f"'{name}' is a time with its zone, like 2026-01-31T12:00:00Z."
        raise FieldProblem([(name, message)])
    return found


def count(request: Request, name: str, default: int, most: int) -> int:
    """Return a query parameter that is a number from 1 to ``most``; raise FieldProblem."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = as_number(text)
    if number is None or not 1 <= number <= most:
        raise FieldProblem([(name, f"'{name}' is a number from 1 to {most}.")])
    return number


def as_number(text: str) -> int | None:
    """Return the whole number that ``text`` is, or None, as for one that no column holds."""
    return int(text) if len(text) < 19 and text.isascii() and text.isdigit() else None


def since_until(request: Request) -> dict[str, UUID]:
    """Return the conditions of ``since`` and ``until`` for rows whose ids begin with their time."""
    found = {}
    for name, column in (("since", "pk__gte"), ("until", "pk__lt")):
        if (at := moment(request, name)) is not None:
            found[column] = first_at(at)
    return found


def parsed_time(text: str) -> datetime | None:
    """Return the time that ``text`` is (RFC 3339, of a year that every time zone has), or None."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    good = found.tzinfo is not None and "T" in text.upper() and FIRST_YEAR <= found.year <= LAST_YEAR
    return found if good else None
