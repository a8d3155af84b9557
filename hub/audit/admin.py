"""The audit log's pages: a list with filters, and one change."""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import may, organizations_for, shown_organizations
from hub.accounts.models import Organization, Role
from hub.accounts.pages import NARROWED, HubAdmin
from hub.audit.models import Entry
from hub.audit.watched import WATCHED
from hub.audit.wording import field_name, shown, subject
from hub.lib.html import badge, moment

# The library's own page knows no organizations.
admin.site.unregister(Entry)

DEEDS = {Entry.Action.CREATE: ("Created", "good", "add"), Entry.Action.DELETE: ("Deleted", "bad", "delete")}


class KindFilter(DropdownFilter):
    """By what was changed."""

    title = "what was changed"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        models = [apps.get_model(label) for label in WATCHED]
        return [(model._meta.label_lower, capfirst(str(model._meta.verbose_name))) for model in models]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        labels = {label.lower(): label for label in WATCHED}
        if (chosen := labels.get(self.value() or "")) is None:
            return queryset
        return queryset.filter(content_type=ContentType.objects.get_for_model(apps.get_model(chosen)))


class DeedFilter(DropdownFilter):
    """By what was done."""

    title = "what was done"
    parameter_name = "did"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("0", "Created"), ("1", "Changed"), ("2", "Deleted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=int(self.value())) if self.value() in ("0", "1", "2") else queryset


class WhoFilter(DropdownFilter):
    """By whom: a person, an application, a command, or the hub itself."""

    title = "by"
    parameter_name = "who"
    beginnings = {"key": "API key", "command": "Command:", "hub": "The hub itself"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("people", "People"), ("key", "API keys"), ("command", "Commands"), ("hub", "The hub itself")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "people":
            return queryset.filter(actor__isnull=False)
        beginning = self.beginnings.get(self.value() or "")
        return queryset.filter(by__startswith=beginning, actor=None) if beginning else queryset


class WhenFilter(DropdownFilter):
    """By time."""

    title = "when"
    parameter_name = "when"
    spans = {"day": ("Within 24 hours", 1), "week": ("Within 7 days", 7), "month": ("Within 30 days", 30)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, words) for key, (words, _) in self.spans.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        _, days = self.spans.get(self.value() or "", ("", 0))
        return queryset.filter(timestamp__gte=timezone.now() - timedelta(days=days)) if days else queryset


@admin.register(Entry)
class EntryAdmin(HubAdmin):
    """Who changed what. Entries without an organization (accounts) are for superusers."""

    read_only = True
    paginator = InfinitePaginator
    empty_words = "Whenever somebody changes a setting, an application or a command does, it is noted here."
    list_display = ("shown_time", "shown_who", "shown_deed", "shown_what", "shown_changes")
    list_display_links = ("shown_time",)
    list_filter = (KindFilter, DeedFilter, WhoFilter, WhenFilter)
    search_fields = ("by", "object_repr", "=object_pk", "=cid")
    search_help_text = "Who, the name of what was changed, or a request's id"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "audit/entry.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        rows = Entry.objects.select_related("content_type", "actor", "organization")
        everything = getattr(request.user, "is_superuser", False)
        if getattr(request, NARROWED, False):
            shown = shown_organizations(request)
            everything = everything and shown.count() == Organization.objects.count()
            return rows if everything else rows.filter(organization__in=shown)
        return rows if everything else rows.filter(organization__in=organizations_for(request.user))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None and obj.organization_id is None:
            return bool(getattr(request.user, "is_superuser", False))
        return super().has_view_permission(request, obj)

    def organization_of(self, row: Any) -> Any:
        """Return the organization; None for an account's change, or where it is deleted."""
        return Organization.objects.filter(pk=row.organization_id).first()

    def page_context(self, request: HttpRequest, row: Entry) -> dict[str, Any]:
        label, tone, _ = _deed(row)
        changes = [
            (field_name(row, name), *(shown(row, name, side) for side in pair))
            for name, pair in sorted(_pairs(row))
        ]
        changes = [change for change in changes if change[1] or change[2]]
        return {
            "label": label,
            "tone": tone,
            "changes": changes,
            "subject": subject(row),
            "title": subject(row),
            "subject_url": _subject_url(row, may(request.user, self.organization_of(row), Role.VIEWER)),
        }

    @display(description="When")
    def shown_time(self, row: Entry) -> SafeString:
        return moment(row.timestamp)

    @display(description="Who")
    def shown_who(self, row: Entry) -> str:
        return row.by or "The hub itself"

    @display(description="Did")
    def shown_deed(self, row: Entry) -> SafeString:
        return badge(*_deed(row))

    @display(description="What")
    def shown_what(self, row: Entry) -> str:
        return subject(row)

    @display(description="Fields")
    def shown_changes(self, row: Entry) -> str:
        names = [field_name(row, name).lower() for name, _ in sorted(_pairs(row))]
        return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _deed(row: Entry) -> tuple[str, str, str]:
    return DEEDS.get(row.action, ("Changed", "info", "edit"))


def _pairs(row: Entry) -> list[tuple[str, list[Any]]]:
    return [
        (name, pair)
        for name, pair in (row.changes or {}).items()
        if isinstance(pair, list) and len(pair) == 2
    ]


def _subject_url(row: Entry, allowed: bool) -> str:
    """Return the page of what was changed, where it still is and may be seen."""
    model = row.content_type.model_class()
    if not allowed or model is None or not model._base_manager.filter(pk=row.object_pk).exists():
        return ""
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.object_pk])
    except NoReverseMatch:
        return ""
