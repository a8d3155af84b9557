"""Filters of the queue and the log; each is answered from an index, however many rows there are."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, TextFilter
from unfold.widgets import UnfoldAdminTextInputWidget

from hub.accounts.access import shown_organizations
from hub.delivery import sources
from hub.delivery.models import IntegrationLog
from hub.lib.ids import first_at


class MadeFilter(DropdownFilter):
    """By the time something was made. Ids carry that time, so that their index finds the place."""

    title = "time made"
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


class TimeForm(forms.Form):
    """From when until when, by the clock of whoever looks."""

    def __init__(self, names: tuple[str, str], words: str, given: dict[str, Any]):
        super().__init__(given)
        for name, label in zip(names, (f"{words} from", f"{words} until"), strict=True):
            widget = UnfoldAdminTextInputWidget({"type": "datetime-local"})
            self.fields[name] = forms.DateTimeField(label=label, required=False, widget=widget)


class TimeFilter(admin.ListFilter):
    """Between two moments. Subclass with the names of both parameters and how rows are bounded."""

    title = "time"
    template = "unfold/filters/filters_field.html"
    names: tuple[str, str]
    words: str

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any):
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*self.names]

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {"form": self._form()}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        form = self._form()
        form.is_valid()  # what is no time bounds nothing; the form says so
        since, until = (form.cleaned_data.get(name) for name in self.names)
        return self.between(queryset, since, until) if since or until else queryset

    def between(
        self, queryset: QuerySet[Any], since: datetime | None, until: datetime | None
    ) -> QuerySet[Any]:
        """Return the rows from ``since`` until ``until``; either may be open."""
        raise NotImplementedError

    def _form(self) -> TimeForm:
        return TimeForm(self.names, self.words, self.used_parameters)


class MadeBetween(TimeFilter):
    """By when something was made, for ids that carry that time."""

    names = ("made_from", "made_until")
    words = "Made"

    def between(
        self, queryset: QuerySet[Any], since: datetime | None, until: datetime | None
    ) -> QuerySet[Any]:
        if since:
            queryset = queryset.filter(pk__gte=first_at(since))
        return queryset.filter(pk__lt=first_at(until)) if until else queryset


class LoggedBetween(TimeFilter):
    """By when a log entry was written. Its number bounds the search; several writers overlap a little."""

    names = ("logged_from", "logged_until")
    words = "Written"
    #: Numbers that entries of the same moment may be apart.
    overlap = 10_000

    def between(
        self, queryset: QuerySet[Any], since: datetime | None, until: datetime | None
    ) -> QuerySet[Any]:
        numbers = IntegrationLog.objects.values_list("pk", flat=True)
        if since:
            first = numbers.filter(created_at__gte=since).order_by("created_at").first()
            queryset = queryset.filter(pk__gte=(first or 0) - self.overlap, created_at__gte=since)
        if until:
            last = numbers.filter(created_at__lt=until).order_by("-created_at").first()
            queryset = queryset.filter(pk__lte=(last or 0) + self.overlap, created_at__lt=until)
        return queryset


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
