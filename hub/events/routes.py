"""The routes of an organization, as routing decides by them."""

from itertools import groupby
from typing import Any

from hub.delivery.enqueue import Target
from hub.events.models import Route
from hub.events.routing import RouteView

_ROUTE = ("id", "name", "enabled", "type_pattern", "filter", "priority", "delay")
_TARGET = ("integration_id", "action", "mapping_id")
_FALLBACK = ("fallbacks__integration_id", "fallbacks__action", "fallbacks__mapping_id")


def routes_of(organization_id: int, **conditions: Any) -> list[RouteView]:
    """Return the organization's routes with their fallbacks, in one query.

    Read anew each time: a route that an admin in another process has just changed holds from the
    next event on.
    """
    rows = (
        Route.objects.filter(organization_id=organization_id, **conditions)
        .order_by("name", "id", "fallbacks__position", "fallbacks__id")
        .values_list(*_ROUTE, *_TARGET, *_FALLBACK)
    )
    return [_view(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _view(rows: list[tuple[Any, ...]]) -> RouteView:
    start, fallback = len(_ROUTE), len(_ROUTE) + len(_TARGET)
    first = Target(*rows[0][start:fallback])
    others = (Target(*row[fallback:]) for row in rows if row[fallback] is not None)
    return RouteView(**dict(zip(_ROUTE, rows[0], strict=False)), targets=(first, *others))
