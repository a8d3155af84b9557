"""What the menu shows and hides: callbacks that the theme names by their path."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string
from unfold.dataclasses import SearchResult

from hub.accounts.access import has_role, listed, organizations_for, shown_organizations
from hub.accounts.models import Role
from hub.connections.models import Circuit, Integration, Status
from hub.dashboard.theme import NAVIGATION
from hub.delivery.models import QueueItem, State
from hub.events.models import Route
from hub.mapping.models import FieldMapping

#: A badge never counts further than this; the list does.
MOST = 99


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu with its badges counted; Unfold would draw an empty one for nothing."""
    # Each address is looked up here, once: Unfold asks for it again wherever it compares or draws it.
    menu = [
        {**group, "items": [{**item, "link": str(item["link"])} for item in group["items"]]}
        for group in NAVIGATION
    ]
    for group in menu:
        for item in group["items"]:
            count = item.pop("badge", None)
            if count and (counted := import_string(count)(request)):
                item["badge"] = counted
    return menu


def environment(request: HttpRequest) -> list[str] | None:
    """Label of the header: says when everything runs in one process group on this machine."""
    return ["Embedded", "info"] if settings.HUB.embedded else None


def is_admin(request: HttpRequest) -> bool:
    """Whether the user is admin of any organization."""
    return has_role(request, Role.ADMIN)


def is_superuser(request: HttpRequest) -> bool:
    """Whether the user runs the whole hub."""
    return bool(getattr(request.user, "is_superuser", False))


def failed_items(request: HttpRequest) -> str:
    """How many queue items failed; empty for none."""
    rows = QueueItem.objects.filter(organization__in=shown_organizations(request), state=State.FAILED)
    return _count(len(rows.order_by("-id").values_list("pk")[: MOST + 1]))


def troubled_integrations(request: HttpRequest) -> str:
    """How many integrations need somebody; empty for none."""
    rows = Integration.objects.listed().filter(organization__in=shown_organizations(request))
    return _count(rows.filter(Q(status=Status.RECONNECT) | Q(circuit=Circuit.OPEN)).count())


def on_integrations(request: HttpRequest) -> bool:
    """Whether the menu marks Integrations: its pages, except Connect, which has its own entry."""
    return _within(request, "connections_integration_changelist", "connections_connect")


def on_routes(request: HttpRequest) -> bool:
    """Whether the menu marks Routes: its pages, except the picture of the flow, which has its own entry."""
    return _within(request, "events_route_changelist", "events_route_flow")


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Command palette: integrations, routes and mappings by name, in the user's organizations."""
    mine = organizations_for(request.user)
    found: list[SearchResult] = []
    for model, icon in ((Integration, "hub"), (Route, "alt_route"), (FieldMapping, "swap_horiz")):
        rows = listed(model).filter(organization__in=mine, name__icontains=term)[:8]
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        kind = str(model._meta.verbose_name).capitalize()
        found += [SearchResult(str(row), kind, reverse(page, args=[row.pk]), icon) for row in rows]
    return found


def _within(request: HttpRequest, pages: str, but: str) -> bool:
    here = request.path.startswith(reverse(f"admin:{pages}"))
    return here and not request.path.startswith(reverse(f"admin:{but}"))


def _count(number: int) -> str:
    return f"{MOST}+" if number > MOST else str(number or "")
