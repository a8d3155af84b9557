"""Pages of lists: a cursor that stays right while rows are added (keyset, never OFFSET)."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from hub.api.problems import FieldProblem
from hub.lib.pagination import CursorError, keyset_page

DEFAULT, MOST = 50, 200


def page(request: Request, rows: QuerySet[Any], show: Callable[[Any], dict[str, Any]]) -> Response:
    """Return one page of ``rows``, newest first; raise FieldProblem for a bad cursor or limit."""
    limit = _limit(request.query_params.get("limit", ""))
    try:
        found, next_cursor = keyset_page(rows, cursor=request.query_params.get("cursor", ""), limit=limit)
    except CursorError as error:
        raise FieldProblem([("cursor", str(error))]) from None
    return Response({"results": [show(row) for row in found], "next_cursor": next_cursor})


def choice(request: Request, name: str, allowed: list[str]) -> str:
    """Return a query parameter that must be one of ``allowed``, or empty."""
    value = request.query_params.get(name, "")
    if value and value not in allowed:
        raise FieldProblem([(name, f"'{name}' is one of: {', '.join(allowed)}.")])
    return value


def only_known(request: Request, *names: str) -> None:
    """Raise FieldProblem for a query parameter that does not exist: a typo must not mean 'all'."""
    known = {*names, "cursor", "limit"}
    if unknown := sorted(set(request.query_params) - known):
        raise FieldProblem(
            [
                (name, f"There is no parameter {name!r}; there are: {', '.join(sorted(known))}.")
                for name in unknown
            ]
        )


def _limit(text: str) -> int:
    if not text:
        return DEFAULT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST:
        raise FieldProblem([("limit", f"'limit' is a number from 1 to {MOST}.")])
    return int(text)
