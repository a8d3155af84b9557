"""Admin pages of imports: the upload, its columns beside a preview, and what came of it."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import organizations_for, shown_organizations
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.files import importing, screens
from hub.files.exporting import CONTENT_TYPES, TooMany, export
from hub.files.forms import ExportForm, UploadForm
from hub.files.models import FileImport, ImportMapping, ImportState
from hub.lib.cells import csv_cell
from hub.lib.html import moment, state_badge
from hub.sync.models import RecordType

STOPPABLE = (ImportState.UPLOADED, ImportState.PENDING, ImportState.RUNNING)
#: Rejected rows on the page; all are in the CSV file.
SHOWN = 50


@admin.register(FileImport)
class FileImportAdmin(HubAdmin):
    """Files on their way into records."""

    empty_words = "Upload a CSV, NDJSON or Excel file, say what its columns are, and its rows become records."
    add_words = "Import a file"
    change_role = Role.OPERATOR
    read_only = True
    paginator = InfinitePaginator
    list_before_template = "files/list_before.html"
    list_display = ("shown_name", "shown_type", "shown_state", "shown_counts", "when")
    list_display_links = ("shown_name",)
    list_select_related = ("type", "organization")
    list_filter = (("state", ChoicesDropdownFilter),)
    ordering = ("-id",)
    sortable_by = ()
    page_template = "files/import.html"
    deeds = (
        Deed("reopen", "Change how it is read", "undo", when=lambda row: row.state == ImportState.FAILED),
        Deed(
            "cancel",
            "Cancel",
            "cancel",
            when=lambda row: row.state in STOPPABLE,
            confirm="End this import? Rows that are taken already stay.",
            tone="danger",
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return organizations_for(request.user, Role.OPERATOR).exists()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("type", "organization", "mapping", "by")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("export/", view(self.export_view), name="files_export"),
            path("<uuid:object_id>/columns/", view(self.columns_view), name="files_columns"),
            path("<uuid:object_id>/preview/", view(self.preview_view), name="files_preview"),
            path("<uuid:object_id>/progress/", view(self.progress_view), name="files_progress"),
            path("<uuid:object_id>/rejected.csv", view(self.rejected_view), name="files_rejected"),
        ]
        return [*own, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose a file, and what its rows are."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        types = _types(request, Role.OPERATOR)
        form = UploadForm(
            request.POST or None, request.FILES or None, types=types, initial=request.GET.dict()
        )
        if request.method == "POST" and form.is_valid():
            kind, uploaded = form.cleaned_data["type"], form.cleaned_data["file"]
            parts, preset = uploaded.chunks(1024**2), form.cleaned_data["preset"]
            file, problem = screens.upload(kind, uploaded.name, parts, request.user, preset)
            if file is not None:
                return HttpResponseRedirect(self.url("change", file.pk))
            form.add_error("file", problem)
        may_make = organizations_for(request.user, Role.ADMIN).exists()
        more = {"form": form, "possible": types.exists(), "may_make": may_make}
        return self.render(request, "files/new.html", title="Import a file", **more)

    def page_context(self, request: HttpRequest, row: FileImport) -> dict[str, Any]:
        if row.state == ImportState.UPLOADED:
            return screens.columns_context(row)
        return {
            "live": row.state in importing.OPEN,
            "rejected_rows": row.rejected_rows.order_by("id")[:SHOWN],
        }

    def columns_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """POST: read the file otherwise, or begin with the columns as they are entered."""
        if request.method != "POST":
            return self._not_done(request, object_id)
        row = self.row(request, object_id, Role.OPERATOR)
        back = HttpResponseRedirect(self.url("change", row.pk))
        if row.state != ImportState.UPLOADED:
            return back
        if request.POST.get("do") == "layout":
            screens.read_otherwise(row, request.POST)
            return back
        screens.enter(row, request.POST)
        problems = importing.begin(row, remember="remember" in request.POST)
        if not problems:
            return back
        context = {**screens.columns_context(row), "problems": problems, "asked": True}
        return self.render(request, self.page_template, row, **context)

    def preview_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """POST: a part of the page, what the first rows become by the columns as they are entered."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.row(request, object_id, Role.OPERATOR)
        if row.state == ImportState.UPLOADED:
            screens.enter(row, request.POST)
        return TemplateResponse(request, "files/preview.html", screens.preview_context(row))

    def progress_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """A part of the page: the bar and the counts, asked for every second while it runs."""
        row = self.row(request, object_id)
        live = row.state in importing.OPEN
        answer = TemplateResponse(request, "files/progress.html", {"row": row, "live": live})
        if not live:
            answer.headers["HX-Refresh"] = "true"
        return answer

    def rejected_view(self, request: HttpRequest, object_id: Any) -> StreamingHttpResponse:
        """Every rejected row with its line and reason, as CSV; mended, it can be imported itself."""
        row = self.row(request, object_id)
        return _download(rejected_csv(row), "text/csv; charset=utf-8", f"rejected-{row.pk}.csv")

    def export_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Choose records and download them."""
        given = request.GET.copy()
        given.setdefault("kind", "csv")
        asked = "download" in given
        mine = shown_organizations(request)
        types = _types(request, Role.VIEWER)
        form = ExportForm(given if asked else None, types=types, organizations=mine, initial={**given.dict()})
        if asked and form.is_valid():
            choice, kind = form.choice(), form.cleaned_data["kind"]
            try:
                return _download(export(choice, kind), CONTENT_TYPES[kind], f"{choice.type.name}.{kind}")
            except TooMany as error:
                form.add_error("kind", str(error))
        return self.render(
            request, "files/export.html", form=form, possible=types.exists(), title="Export records"
        )

    def do_cancel(self, request: HttpRequest, file: FileImport) -> Told:
        """End the import."""
        done = importing.cancel(file)
        return Told("It is cancelled." if done else "It is over already: somebody was faster.", ok=done)

    def do_reopen(self, request: HttpRequest, file: FileImport) -> Told:
        """Back to the columns."""
        done = screens.reopen(file)
        return Told("" if done else "The file is not kept any more; upload it again.", ok=done)

    @display(description="File")
    def shown_name(self, file: FileImport) -> str:
        return file.name

    @display(description="Record type")
    def shown_type(self, file: FileImport) -> str:
        return str(file.type)

    @display(description="State")
    def shown_state(self, file: FileImport) -> SafeString:
        tone = "paused" if file.state == ImportState.UPLOADED else file.state
        return state_badge(tone, file.get_state_display())

    @display(description="Rows")
    def shown_counts(self, file: FileImport) -> str:
        return f"{file.done:,}, {file.rejected:,} rejected" if file.rejected else f"{file.done:,}"

    @display(description="When")
    def when(self, file: FileImport) -> SafeString:
        return moment(file.created_at)


@admin.register(ImportMapping)
class ImportMappingAdmin(HubAdmin):
    """Columns that are remembered for the next file of the same shape."""

    empty_words = "An import's columns are remembered here for the next file of the same shape."
    list_display = ("name", "shown_type", "shown_columns", "shown_changed")
    list_select_related = ("type", "organization")
    search_fields = ("name",)
    page_template = "files/mapping.html"
    fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """One comes of an import."""
        return False

    def page_context(self, request: HttpRequest, row: ImportMapping) -> dict[str, Any]:
        return {"columns": screens.in_words(row.columns), "edit_url": self.url("edit", row.pk)}

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self.message_user(request, f"{obj} is saved.")
        return HttpResponseRedirect(self.url("change", obj.pk))

    @display(description="Record type")
    def shown_type(self, mapping: ImportMapping) -> str:
        return str(mapping.type)

    @display(description="Columns")
    def shown_columns(self, mapping: ImportMapping) -> int:
        return len(mapping.columns)

    @display(description="Changed")
    def shown_changed(self, mapping: ImportMapping) -> SafeString:
        return moment(mapping.updated_at)


def rejected_csv(file: FileImport) -> Iterator[bytes]:
    """Yield the lines of a CSV file: line, reason, and the row's cells under their own names."""
    writer: Any = csv.writer(screens.Echo())
    names = [column["column"] for column in file.columns]
    yield ("\ufeff" + writer.writerow(["line", "reason", *map(csv_cell, names)])).encode()
    for row in file.rejected_rows.order_by("id").iterator(chunk_size=500):
        yield writer.writerow([row.line, csv_cell(row.reason), *map(csv_cell, row.cells)]).encode()


def _types(request: HttpRequest, needed: Role) -> Any:
    """Return the record types that somebody may choose: of what the menu shows, by the role."""
    shown = shown_organizations(request)
    mine = organizations_for(request.user, needed).filter(pk__in=shown.values("pk"))
    return RecordType.objects.filter(organization__in=mine).order_by("name")


def _download(parts: Iterator[bytes], kind: str, name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(parts, content_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
