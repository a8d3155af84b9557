"""Filters of the list of events; each is answered from an index, however many events there are."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from hub.accounts.access import organizations_for, shown_organizations
from hub.accounts.filters import TextChoicesFilter
from hub.delivery.filters import MadeFilter
from hub.delivery.models import QueueItem, State
from hub.events.search import types_like


class OriginFilter(TextChoicesFilter):
    """By the way it came in."""

    title = "origin"
    parameter_name = "origin"
    options = [
        ("api", "API"),
        ("webhook", "Webhook"),
        ("admin", "Sent by hand"),
        ("replay", "Replay"),
        ("hub", "The hub itself"),
    ]


class ReceivedFilter(MadeFilter):
    """By the time it was received."""

    title = "received"
    parameter_name = "received"


class StoredTypeFilter(TextFilter):
    """By type: a part of it, or a pattern with ``*``."""

    title = "type"
    parameter_name = "type"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        return queryset.filter(type__in=types_like(shown_organizations(request), text)) if text else queryset


class OutcomeFilter(DropdownFilter):
    """By what became of it: events with a delivery that failed, or that is still to be made."""

    title = "what became of it"
    parameter_name = "outcome"
    states = {"failed": (State.FAILED,), "open": (State.PENDING, State.PROCESSING)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Delivery failed"), ("open", "Under way")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        states = self.states.get(self.value() or "")
        if states is None:
            return queryset
        mine = organizations_for(request.user)
        items = QueueItem.objects.filter(organization__in=mine, state__in=states, source_type="event")
        return queryset.filter(pk__in=items.values("source_id"))
