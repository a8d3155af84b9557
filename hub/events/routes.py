"""The routes of an organization, as routing decides by them."""

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from hub.delivery.enqueue import Target
from hub.events.models import Route
from hub.events.routing import RouteView

_ROUTE = ("id", "name", "enabled", "type_pattern", "filter", "priority", "delay", "ordered")
_TARGET = ("integration_id", "action", "mapping_id")
_FALLBACK = ("fallbacks__integration_id", "fallbacks__action", "fallbacks__mapping_id")
#: The columns of _ROUTE, _TARGET and _FALLBACK, after the organization's; needs the list of organizations.
_ROUTES = """
    SELECT route.organization_id, route.id, route.name, route.enabled, route.type_pattern, route.filter,
        route.priority, route.delay, route.ordered, route.integration_id, route.action, route.mapping_id,
        other.integration_id, other.action, other.mapping_id
    FROM events_route route LEFT JOIN events_routefallback other ON other.route_id = route.id
    WHERE route.organization_id IN ({})
    ORDER BY route.organization_id, route.name, route.id, other.position, other.id
"""
_START, _OTHERS = len(_ROUTE), len(_ROUTE) + len(_TARGET)

Rows = list[tuple[Any, ...]]
#: Organizations whose routes are held in the form that routing takes.
_MOST_HELD = 1000
_held: dict[int, tuple[Rows, list[RouteView]]] = {}


def routes_of(organization_id: int, **conditions: Any) -> list[RouteView]:
    """Return the organization's routes with their fallbacks, in one query."""
    rows = (
        Route.objects.filter(organization_id=organization_id, **conditions)
        .order_by("name", "id", "fallbacks__position", "fallbacks__id")
        .values_list(*_ROUTE, *_TARGET, *_FALLBACK)
    )
    return _views(rows)


def routes_of_all(organization_ids: Collection[int]) -> dict[int, list[RouteView]]:
    """Return the routes of several organizations, in one query and with little work.

    Read anew each time: a route that an admin in another process has just changed holds from the
    next event on. Only what is made of the rows is kept, as long as the rows are the same.
    """
    wanted = sorted(set(organization_ids))
    with connection.cursor() as cursor:
        cursor.execute(_ROUTES.format(", ".join(["%s"] * len(wanted))), wanted)
        found = cursor.fetchall()
    grouped = {key: list(rows) for key, rows in groupby(found, key=lambda row: row[0])}
    return {key: _remembered(key, grouped.get(key, [])) for key in wanted}


def forget() -> None:
    """Forget what was made of routes; they are read anew in any case."""
    _held.clear()


def _remembered(organization_id: int, rows: Rows) -> list[RouteView]:
    held = _held.get(organization_id)
    if held is not None and held[0] == rows:
        return held[1]
    if len(_held) >= _MOST_HELD:
        _held.clear()
    views = _views([_converted(row[1:]) for row in rows])
    _held[organization_id] = (rows, views)
    return views


def _converted(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of plain SQL as the ORM would: SQLite knows neither UUIDs nor booleans."""
    route_id, name, enabled, *rest = row
    rest[_START - 4] = bool(rest[_START - 4])
    rest[_START - 3] = _uuid(rest[_START - 3])
    rest[_OTHERS - 3] = _uuid(rest[_OTHERS - 3])
    return (_uuid(route_id), name, bool(enabled), *rest)


def _uuid(value: Any) -> UUID | None:
    return UUID(hex=value) if isinstance(value, str) else value


def _views(rows: Iterable[tuple[Any, ...]]) -> list[RouteView]:
    return [_view(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _view(rows: list[tuple[Any, ...]]) -> RouteView:
    first = Target(*rows[0][_START:_OTHERS])
    others = (Target(*row[_OTHERS:]) for row in rows if row[_OTHERS] is not None)
    return RouteView(**dict(zip(_ROUTE, rows[0], strict=False)), targets=(first, *others))
