"""What sync adds to the integrations' pages: their syncs with schedules, and the button that runs them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from hub.accounts.models import Role
from hub.accounts.pages import Deed, Panel, Told, register_action, register_deed, register_panel
from hub.connections.models import Integration
from hub.lib.sentences import plural
from hub.sync.models import OPEN, Sync, SyncRun
from hub.sync.starting import AlreadyOpen, start


def register() -> None:
    """Called once, when the admin is loaded."""
    register_panel(Integration, Panel("sync/integration_panel.html", _panel, order=60))
    run = Deed("sync-now", "Sync now", "sync", when=lambda row: _syncs([row]).exists(), run=_sync_now)
    register_deed(Integration, run)
    register_action(Integration, sync_now)


@action(description="Sync now", permissions=["operate"], icon="sync")
def sync_now(model_admin: Any, request: HttpRequest, queryset: QuerySet[Integration]) -> None:
    """Begin a run of every sync of the chosen integrations."""
    rows = model_admin.within_role(request, queryset, Role.OPERATOR)
    begun, left = _begin(_syncs(rows))
    level = messages.SUCCESS if begun else messages.WARNING
    model_admin.message_user(request, _words(begun, left), level)


def _sync_now(request: HttpRequest, integration: Integration) -> Told:
    begun, left = _begin(_syncs([integration]))
    return Told(_words(begun, left), ok=begun > 0)


def _begin(syncs: Iterable[Sync]) -> tuple[int, int]:
    begun = left = 0
    for sync in syncs:
        try:
            start(sync, origin="admin")
            begun += 1
        except AlreadyOpen:
            left += 1
    return begun, left


def _words(begun: int, left: int) -> str:
    if not begun and not left:
        return "Nothing began: no sync of these is set up and switched on. Set one up under Syncs."
    words = plural(left, "was left out", "were left out")
    more = f" {words}: the run before is not over yet." if left else ""
    return f"{plural(begun, 'run')} began.{more}"


def _syncs(integrations: Iterable[Integration]) -> QuerySet[Sync]:
    return Sync.objects.filter(integration__in=integrations, enabled=True).order_by("direction", "pk")


def _panel(request: HttpRequest, integration: Integration) -> dict[str, Any]:
    """Return the syncs of one integration, each with the run that is under way."""
    rows = list(integration.syncs.select_related("type").order_by("name"))
    runs = {run.sync_id: run for run in _open_runs(rows)}
    return {"syncs": [(sync, runs.get(sync.pk)) for sync in rows]}


def _open_runs(syncs: Iterable[Sync]) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(sync__in=list(syncs), state__in=OPEN)
