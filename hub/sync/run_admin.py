"""Admin pages of runs: how far one is, what it came to, and what was not taken."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.filters import ScopedFilter
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.delivery.models import IntegrationLog
from hub.delivery.wake import wake_jobs
from hub.lib.cells import safe_text
from hub.lib.html import moment, state_badge
from hub.mapping.values import shown
from hub.sync import leases
from hub.sync.models import RunChange, RunState, Sync, SyncRun
from hub.sync.starting import AlreadyOpen, start

MOVING = (RunState.PENDING, RunState.RUNNING)
STOPPED = (RunState.PAUSED, RunState.FAILED)


#: Rejected rows on a run's page; the CSV file has them all.
SHOWN = 50


class SyncFilter(ScopedFilter):
    """By sync."""

    title = "sync"
    parameter_name = "sync"
    model = Sync
    columns = ("name",)


class SyncRunAdmin(HubAdmin):
    """Runs, newest first."""

    read_only = True
    paginator = InfinitePaginator
    list_display = ("what", "shown_state", "shown_progress", "shown_counts", "when")
    list_display_links = ("what",)
    list_select_related = ("sync__integration", "sync__type", "organization")
    list_filter = (("state", ChoicesDropdownFilter), SyncFilter)
    empty_words = "A run is one go of a sync: begin one from the sync's page, or give the sync a schedule."
    ordering = ("-id",)
    sortable_by = ()
    page_template = "sync/run.html"
    deeds = (
        Deed("pause", "Pause", "pause", when=lambda run: run.state in MOVING),
        Deed("resume", "Resume", "play_arrow", when=lambda run: run.state in STOPPED),
        Deed(
            "cancel",
            "Cancel",
            "cancel",
            when=lambda run: run.state in (*MOVING, RunState.PAUSED),
            confirm="End this run? What is done stays done.",
            tone="danger",
        ),
        Deed(
            "retry",
            "Retry the rejected",
            "replay",
            when=lambda run: run.state == RunState.COMPLETED and run.rejected > 0 and not run.dry_run,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<uuid:object_id>/progress/", view(self.progress_view), name="sync_run_progress"),
            path("<uuid:object_id>/rejected.csv", view(self.rejected_view), name="sync_run_rejected"),
        ]
        return [*own, *super().get_urls()]

    def page_context(self, request: HttpRequest, row: SyncRun) -> dict[str, Any]:
        changes = [(one, _differences(one)) for one in row.changes.order_by("id")]
        return {
            "live": row.state in MOVING,
            "changes": changes,
            "more_changes": row.created + row.updated + row.deleted > len(changes),
            "rejected_rows": [(one, _fields(one.row)) for one in row.rejected_rows.order_by("id")[:SHOWN]],
            "logs": IntegrationLog.objects.filter(item_id=row.pk).defer("exchanges").order_by("-id")[:20],
        }

    def progress_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """A part of the page: the bar and the counts, asked for every second while the run moves."""
        row = self.row(request, object_id)
        answer = TemplateResponse(request, "sync/progress.html", {"row": row, "live": row.state in MOVING})
        if row.state not in MOVING:
            answer.headers["HX-Refresh"] = "true"
        return answer

    def rejected_view(self, request: HttpRequest, object_id: Any) -> StreamingHttpResponse:
        """Every rejected row with its reason, as CSV, row by row."""
        row = self.row(request, object_id)
        answer = StreamingHttpResponse(rejected_csv(row), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="rejected-{row.pk}.csv"'
        return answer

    def do_pause(self, request: HttpRequest, run: SyncRun) -> Told:
        """Hold the run after what is under way."""
        return _told(leases.pause(run), "It pauses as soon as the batch under way is settled.")

    def do_resume(self, request: HttpRequest, run: SyncRun) -> Told:
        """Go on."""
        done = leases.resume(run, timezone.now())
        wake_jobs()
        return _told(done, "It goes on where it stopped.")

    def do_cancel(self, request: HttpRequest, run: SyncRun) -> Told:
        """End the run."""
        return _told(leases.cancel(run, timezone.now()), "It ends as soon as the batch under way is settled.")

    def do_retry(self, request: HttpRequest, run: SyncRun) -> Told:
        """Send or take just the rejected rows again, as a new run."""
        try:
            again = start(run.sync, origin="admin", retry_of=run)
        except AlreadyOpen as error:
            return Told(str(error), ok=False)
        return Told("It began.", url=self.url("change", again.pk))

    @display(description="Sync")
    def what(self, run: SyncRun) -> SafeString:
        told = " · dry run" if run.dry_run else ""
        return format_html('{}<br><span class="ic-dim ic-small">{}{}</span>', run.sync, run.begun_by, told)

    @display(description="State")
    def shown_state(self, run: SyncRun) -> SafeString:
        return state_badge(run.state, run.get_state_display())

    @display(description="Progress")
    def shown_progress(self, run: SyncRun) -> str:
        return f"{run.done:,}" if run.percent is None else f"{run.percent} %"

    @display(description="Counts")
    def shown_counts(self, run: SyncRun) -> SafeString:
        text = f"{run.created:,} created, {run.updated:,} updated, {run.rejected:,} rejected"
        return format_html('<span class="ic-small">{}</span>', text)

    @display(description="When")
    def when(self, run: SyncRun) -> SafeString:
        return moment(run.created_at)


def _differences(change: RunChange) -> list[tuple[str, str, str]]:
    """Return (field, before, after) for each field that a dry run would change."""
    before, after = change.before or {}, change.after or {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [(name, _value(before, name), _value(after, name)) for name in names]


def _value(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return "–" if name not in values else value if isinstance(value, str) else shown(value)


def _fields(row: Any) -> str:
    """Return the fields of a rejected row in one line."""
    values = row if isinstance(row, dict) else {}
    return " · ".join(f"{name}: {_value(values, name)}" for name in values if values[name] not in (None, ""))


class _Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def rejected_csv(run: SyncRun) -> Iterator[str]:
    """Yield the lines of a CSV file: key, reason, and the row as JSON."""
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(["key", "reason", "row"])
    for rejected in run.rejected_rows.order_by("id").iterator(chunk_size=500):
        row = json.dumps(rejected.row, ensure_ascii=False)
        yield writer.writerow([safe_text(rejected.key), safe_text(rejected.reason), row])


def _told(done: bool, text: str) -> Told:
    return Told(text) if done else Told("That is not possible now: somebody was faster.", ok=False)
