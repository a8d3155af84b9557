"""Admin pages of record types, records and syncs."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from hub.accounts.filters import ScopedFilter
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.connections.filters import IntegrationFilter
from hub.connections.models import Integration
from hub.connections.switching import register_consequence
from hub.lib.html import badge, moment, state_badge
from hub.lib.sentences import plural
from hub.sync import integration_admin
from hub.sync.calendar import in_words, next_times
from hub.sync.conflict_admin import ConflictAdmin
from hub.sync.forms import RecordTypeForm, ScheduleForm, SyncForm
from hub.sync.models import Conflict, Direction, ExternalLink, Record, RecordType, Sync, SyncRun
from hub.sync.run_admin import SyncRunAdmin
from hub.sync.side_by_side import compare
from hub.sync.starting import AlreadyOpen, start

#: Which side is right about one field, in words.
FIELD_WINS = {
    "hub": "never taken from there",
    "provider": "always taken from there",
    "newest": "the later change",
    "ask": "a person decides",
}

admin.site.register(SyncRun, SyncRunAdmin)
admin.site.register(Conflict, ConflictAdmin)
integration_admin.register()


class TypeFilter(ScopedFilter):
    """By record type."""

    title = "type"
    parameter_name = "type"
    model = RecordType
    columns = ("name", "label")


@admin.register(RecordType)
class RecordTypeAdmin(HubAdmin):
    """Kinds of business objects."""

    empty_words = (
        "A record type says what records are: customers, companies, invoices. Files and syncs fill it."
    )
    form = RecordTypeForm
    list_display = ("name", "label", "key_field", "subject_field")
    search_fields = ("name", "label")
    page_template = "sync/record_type.html"

    def page_context(self, request: HttpRequest, row: RecordType) -> dict[str, Any]:
        return {
            "syncs": row.syncs.select_related("integration").order_by("name"),
            "edit_url": self.url("edit", row.pk),
        }


@admin.register(Record)
class RecordAdmin(HubAdmin):
    """The hub's copies of business objects, each with what every integration holds of it."""

    read_only = True
    empty_words = "Records come by a file (Import a file, above), by a sync that reads them, or by the API."
    paginator = InfinitePaginator
    list_display = ("what", "shown_key", "shown_state", "shown_origin", "changed")
    list_display_links = ("what",)
    list_select_related = ("type", "organization", "origin")
    list_filter = (TypeFilter,)
    search_fields = ("key",)
    search_help_text = "Key, exactly"
    ordering = ("-id",)
    sortable_by = ()
    list_before_template = "sync/records_before.html"
    page_template = "sync/record.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Record]:
        return super().get_queryset(request).select_related("type", "organization", "origin")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return (queryset.filter(key=term) if term else queryset), False

    def page_context(self, request: HttpRequest, row: Record) -> dict[str, Any]:
        return {"sides": compare(row)}

    @display(description="Record")
    def what(self, record: Record) -> SafeString:
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', record, record.type)

    @display(description="Key")
    def shown_key(self, record: Record) -> str:
        return record.key

    @display(description="State")
    def shown_state(self, record: Record) -> SafeString:
        return badge("Deleted", "mute") if record.deleted else badge("Present", "good")

    @display(description="Changed by")
    def shown_origin(self, record: Record) -> str:
        return record.origin.name if record.origin else "Hub"

    @display(description="Changed")
    def changed(self, record: Record) -> SafeString:
        return moment(record.changed_at)


@admin.register(Sync)
class SyncAdmin(HubAdmin):
    """What is kept in step with what."""

    empty_words = "A sync keeps the records of one type in step with one integration: it sends or reads them."
    form = SyncForm
    list_display = ("name", "shown_way", "shown_schedule", "shown_last", "shown_enabled")
    list_select_related = ("integration", "type", "organization")
    list_filter = (IntegrationFilter, TypeFilter, ("direction", ChoicesDropdownFilter))
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    page_template = "sync/sync.html"
    actions = ("run_syncs",)
    deeds = (
        Deed("run", "Run now", "play_arrow", when=lambda sync: sync.enabled),
        Deed("dry-run", "Dry run", "science", when=lambda sync: sync.enabled),
        Deed(
            "read-all",
            "Read everything",
            "cloud_download",
            when=lambda sync: sync.enabled and sync.direction == Direction.PULL,
            confirm="Read everything again, not only what changed? This may take long.",
        ),
        Deed("schedule", "Save the schedule", "schedule", Role.ADMIN, shown=False),
    )
    fieldsets = (
        (None, {"fields": ("organization", "name", "slug", "enabled")}),
        ("What", {"fields": ("type", "integration", "direction", "action", "mapping")}),
        ("When", {"fields": ("cron", "time_zone")}),
        (
            "Records deleted here",
            {"fields": ("delete_policy", "delete_action", "delete_mapping"), "classes": ("ic-only-push",)},
        ),
        ("Who is right", {"fields": ("wins", "field_wins"), "classes": ("ic-only-pull",)}),
        (
            "Rows that are read",
            {
                "fields": ("on_webhook", "take_deletions", "id_path", "deleted_path", "modified_path"),
                "classes": ("ic-only-pull",),
            },
        ),
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def page_context(self, request: HttpRequest, row: Sync) -> dict[str, Any]:
        return {
            "runs": row.runs.order_by("-id")[:20],
            "edit_url": self.url("edit", row.pk),
            "open_conflicts": row.conflicts.filter(chosen="").count(),
            "field_wins": [
                (name, FIELD_WINS.get(side, side)) for name, side in (row.field_wins or {}).items()
            ],
            "schedule_words": in_words(row.cron),
            "next_times": next_times(row.cron, row.time_zone, timezone.now()) if row.next_run_at else [],
        }

    @action(description="Run now", permissions=["operate"], icon="play_arrow")
    def run_syncs(self, request: HttpRequest, queryset: QuerySet[Sync]) -> None:
        """Begin a run of each chosen sync."""
        rows = self.within_role(request, queryset, Role.OPERATOR)
        begun = sum(_begin(sync) is not None for sync in rows.filter(enabled=True))
        left = len(rows) - begun
        left_words = plural(left, "was left out", "were left out")
        more = f" {left_words}: switched off, or under way already." if left else ""
        self.message_user(
            request, f"{plural(begun, 'run')} began.{more}", messages.SUCCESS if begun else messages.WARNING
        )

    def do_run(self, request: HttpRequest, sync: Sync) -> Told:
        """Begin a run, and go there."""
        return _told(_begin(sync))

    def do_dry_run(self, request: HttpRequest, sync: Sync) -> Told:
        """Begin a run that changes nothing."""
        return _told(_begin(sync, dry_run=True))

    def do_read_all(self, request: HttpRequest, sync: Sync) -> Told:
        """Begin a pull of everything."""
        return _told(_begin(sync, full=True))

    def do_schedule(self, request: HttpRequest, sync: Sync) -> Told:
        """Change when it runs, from the integration's own page."""
        form = ScheduleForm(request.POST, instance=sync)
        if not form.is_valid():
            reasons = " ".join(str(text) for texts in form.errors.values() for text in texts)
            return Told(f"The schedule of {sync} stays as it was. {reasons}", ok=False)
        form.save()
        if sync.next_run_at is None:
            return Told(f"{sync} runs by hand only.")
        when = format_date(timezone.localtime(sync.next_run_at), "j M Y, H:i T")
        return Told(f"{sync} runs next at {when}.")

    @display(description="Way")
    def shown_way(self, sync: Sync) -> str:
        left, right = str(sync.type), str(sync.integration)
        return f"{left} → {right}" if sync.direction == Direction.PUSH else f"{right} → {left}"

    @display(description="Schedule")
    def shown_schedule(self, sync: Sync) -> SafeString:
        if sync.next_run_at is None:
            return format_html('<span class="ic-dim">{}</span>', "by hand")
        return format_html(
            '{}<br><span class="ic-dim ic-small">{}</span>',
            moment(sync.next_run_at),
            in_words(sync.cron) or sync.cron,
        )

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Note on each sync its last run."""
        newest = SyncRun.objects.filter(sync=OuterRef("pk")).order_by("-id").values("pk")[:1]
        last = Sync.objects.filter(pk__in=[sync.pk for sync in rows]).values(newest=Subquery(newest))
        found = {run.sync_id: run for run in SyncRun.objects.filter(pk__in=last)}
        for sync in rows:
            sync.last_run = found.get(sync.pk)

    @display(description="Last run")
    def shown_last(self, sync: Any) -> SafeString:
        run: SyncRun | None = sync.last_run
        if run is None:
            return format_html('<span class="ic-dim">{}</span>', "never")
        return format_html("{} {}", state_badge(run.state, run.get_state_display()), moment(run.created_at))

    @display(description="Enabled")
    def shown_enabled(self, sync: Sync) -> SafeString:
        return badge("On", "good") if sync.enabled else badge("Off", "mute")


def _begin(sync: Sync, **options: Any) -> SyncRun | None:
    try:
        return start(sync, origin="admin", **options)
    except AlreadyOpen:
        return None


def _told(run: SyncRun | None) -> Told:
    if run is None:
        return Told("A run of this sync is not over yet. Let it end, or cancel it.", ok=False)
    return Told("It began.", url=reverse("admin:sync_syncrun_change", args=[run.pk]))


def _links_are_lost(integration: Integration) -> str:
    """What a switch to another account means for what was synced."""
    known = ExternalLink.objects.filter(integration=integration).exists()
    return "Records are linked to ids of the old account, which mean nothing in the new one." if known else ""


register_consequence(_links_are_lost)
