"""Filters of the queue and the log; each is answered from an index, however many rows there are."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from hub.accounts.access import shown_organizations
from hub.delivery import sources
from hub.lib.ids import first_at


class MadeFilter(DropdownFilter):
    """By the time something was made. Ids carry that time, so that their index finds the place."""

    title = "made"
    parameter_name = "made"
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
        return queryset if span is None else queryset.filter(pk__gte=first_at(timezone.now() - span))


class TypeFilter(TextFilter):
    """By the type of what is delivered: a part of it, or a pattern with ``*``."""

    title = "event type"
    parameter_name = "label"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        if not text:
            return queryset
        types, ids = sources.of_type(shown_organizations(request), text)
        # A frequent type is soon found among the newest; of a rare one every delivery is named.
        return queryset.filter(label__in=types) if ids is None else queryset.filter(source_id__in=ids)


class SubjectFilter(TextFilter):
    """By the subject, or how it begins."""

    title = "subject"
    parameter_name = "subject"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        if not text:
            return queryset
        return queryset.filter(source_id__in=sources.about(shown_organizations(request), text))
