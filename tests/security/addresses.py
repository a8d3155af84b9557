"""Every address of the admin and of the API, found by looking and filled with somebody's ids."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from drf_spectacular.generators import SchemaGenerator

from tests.hub.dashboard.world import World

#: Leaving is no reading.
LEAVING = {"logout"}
#: Parts that name no row of an organization: a provider, a user (superusers only), a content type.
ROWLESS = {"connections_connect_provider", "auth_user_password_change", "view_on_site"}


def admin_patterns() -> Iterator[tuple[str, URLPattern]]:
    """(route below the admin, pattern) of every page that has a name."""

    def walk(entries: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in entries:
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, before + str(entry.pattern))
            elif entry.name and entry.name not in LEAVING:
                yield before + str(entry.pattern), entry

    root = next(
        entry
        for entry in get_resolver().url_patterns
        if isinstance(entry, URLResolver) and entry.app_name == "admin"
    )
    yield from walk(root.url_patterns, "")


def plain_pages() -> list[str]:
    """Pages of the admin whose address names no row."""
    return [
        reverse(f"admin:{pattern.name}")
        for _, pattern in admin_patterns()
        if not pattern.pattern.converters and not pattern.pattern.regex.groups
    ]


def pages_of(world: World) -> list[str]:
    """Every page of the admin whose address names a row, filled with every row of ``world`` that fits."""
    found = []
    for route, pattern in admin_patterns():
        names = set(pattern.pattern.converters)
        if not names or pattern.name in ROWLESS:
            continue
        for row in world.rows.values():
            if not route.startswith(f"{row._meta.app_label}/{row._meta.model_name}/"):
                continue
            found += [reverse(f"admin:{pattern.name}", kwargs=given) for given in _filled(names, row, world)]
    return found


def deeds_of(world: World) -> list[str]:
    """The address of every deed to every row of ``world``."""
    found = []
    for row in world.rows.values():
        page = admin.site._registry[type(row)]
        for deed in getattr(page, "all_deeds", list)():
            name = f"admin:{row._meta.app_label}_{row._meta.model_name}_do"
            found.append(reverse(name, args=[row.pk, deed.name]))
    return found


def unfilled() -> set[str]:
    """Names in addresses that ``pages_of`` does not know how to fill."""
    known = {"object_id", "deed", "log_id"}
    return {
        name
        for _, pattern in admin_patterns()
        if pattern.name not in ROWLESS
        for name in set(pattern.pattern.converters) - known
    }


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything the API's description holds."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return [
        (method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def photograph() -> dict[str, list[Any]]:
    """All that the tables hold, save for sessions and what the admin itself notes down."""
    left_out = {"sessions.Session"}
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.managed and model._meta.label not in left_out
    }


def _filled(names: set[str], row: Any, world: World) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"object_id": row.pk, "log_id": world.rows["log"].pk}
    page = admin.site._registry[type(row)]
    deeds = [deed.name for deed in getattr(page, "all_deeds", list)()] if "deed" in names else [""]
    return [{name: {**given, "deed": deed}[name] for name in names} for deed in deeds]
