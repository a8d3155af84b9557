"""Filters of the list of events; each is answered from an index, however many events there are."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from hub.accounts.access import organizations_for
from hub.accounts.filters import TextChoicesFilter
from hub.delivery.models import QueueItem, State


class OriginFilter(TextChoicesFilter):
    """By the way it came in."""

    title = "origin"
    parameter_name = "origin"
    options = [("api", "API"), ("webhook", "Webhook"), ("admin", "Sent by hand"), ("replay", "Replay")]


class ReceivedFilter(DropdownFilter):
    """By the time it was received. Ids carry that time, so that their index finds the place."""

    title = "received"
    parameter_name = "received"
    spans = {
        "hour": ("Within an hour", timedelta(hours=1)),
        "day": ("Within 24 hours", timedelta(days=1)),
        "week": ("Within 7 days", timedelta(days=7)),
        "month": ("Within 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, span = self.spans.get(self.value() or "", ("", None))
        if span is None:
            return queryset
        milliseconds = int((timezone.now() - span).timestamp() * 1000)
        return queryset.filter(pk__gte=UUID(int=milliseconds << 80))


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
