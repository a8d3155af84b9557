"""Admin pages of bulk runs: choose and look first, then start, watch, and stop."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import has_role, organizations_for
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.connections.models import Integration
from hub.delivery import bulk
from hub.delivery.filters import MadeFilter
from hub.delivery.load import lasting
from hub.delivery.models import BulkDeed, BulkRun, State
from hub.lib.html import moment, state_badge

#: Parameters of the queue's own filters, and the fields that they fill here.
FROM_QUEUE = {
    "state__exact": "state",
    "integration": "integration",
    "label": "label",
    "subject": "subject",
    "made_from": "since",
}
#: Filters of the queue that have no field here, in words.
NOT_TAKEN = {"q": "search", "priority__exact": "priority", "made_until": "“made until”"}


class BulkForm(forms.Form):
    """What to do, and to which items."""

    deed = forms.ChoiceField(label="What to do", choices=BulkDeed.choices)
    state = forms.ChoiceField(
        label="With deliveries that are",
        choices=[choice for choice in State.choices if choice[0] != State.PROCESSING],
        initial=State.FAILED,
    )
    integration = forms.ModelChoiceField(Integration.objects.none(), required=False, empty_label="any")
    label = forms.CharField(
        label="Event type", max_length=200, required=False, help_text="For example order.paid, or order.*"
    )
    subject = forms.CharField(max_length=200, required=False)
    external_id = forms.CharField(label="Id at the provider", max_length=200, required=False)
    since = forms.DateTimeField(
        required=False, help_text="When they failed or finished; for waiting ones, when they were made."
    )
    until = forms.DateTimeField(required=False)

    def __init__(self, *args: Any, organizations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organization"] = forms.ModelChoiceField(organizations, empty_label=None)
        mine = Integration.objects.filter(organization__in=organizations)
        self.fields["integration"].queryset = mine.order_by("name")  # type: ignore[attr-defined]
        self.order_fields(["organization"])
        for name, field in self.fields.items():
            if name in ("since", "until"):
                field.widget = forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
            field.widget.attrs |= {"class": "ic-input", "autocomplete": "off"}

    def clean(self) -> dict[str, Any]:
        """Refuse what a deed does nothing to, and an integration of another organization."""
        given = super().clean() or {}
        deed, state = given.get("deed"), given.get("state")
        if deed and state and state not in bulk.STATES[BulkDeed(deed)]:
            words = ", ".join(State(each).label.lower() for each in bulk.STATES[BulkDeed(deed)])
            self.add_error("state", f"To {deed} is possible with deliveries that are: {words}.")
        integration, organization = given.get("integration"), given.get("organization")
        if integration and organization and integration.organization_id != organization.pk:
            self.add_error("integration", f"It does not belong to {organization}.")
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            self.add_error("until", "It must be later than “since”.")
        return given

    def selection(self) -> bulk.Selection:
        """Return what was chosen."""
        given = self.cleaned_data
        return bulk.Selection(
            given["state"],
            given["integration"].pk if given["integration"] else None,
            given["label"],
            given["subject"],
            given["external_id"],
            given["since"],
            given["until"],
        )


def from_queue(given: Any) -> dict[str, Any]:
    """Return what the filters of the queue mean for the fields of ``BulkForm``."""
    first = {FROM_QUEUE.get(name, name): value for name, value in given.items()}
    if span := MadeFilter.spans.get(given.get("made", "")):
        first.setdefault("since", timezone.localtime(timezone.now() - span[1]))
    return first


@admin.register(BulkRun)
class BulkRunAdmin(HubAdmin):
    """What was done to many deliveries at once."""

    read_only = True
    paginator = InfinitePaginator
    empty_words = (
        "Retry, cancel or replay many deliveries at once from the queue; what came of it stands here."
    )
    list_display = ("what", "shown_state", "shown_counts", "when")
    list_display_links = ("what",)
    list_filter = (("state", ChoicesDropdownFilter), ("deed", ChoicesDropdownFilter))
    ordering = ("-id",)
    sortable_by = ()
    page_template = "delivery/bulk_run.html"
    list_before_template = "delivery/list_before.html"
    deeds = (
        Deed(
            "cancel",
            "Stop",
            "cancel",
            when=lambda run: run.state == BulkRun.State.RUNNING,
            confirm="Stop after the present step? What is done stays done.",
            tone="danger",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_view), name="delivery_bulkrun_new"),
            path("<uuid:object_id>/progress/", view(self.progress_view), name="delivery_bulkrun_progress"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"has_operate": has_role(request, Role.OPERATOR)}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def page_context(self, request: HttpRequest, row: BulkRun) -> dict[str, Any]:
        return {
            "words": bulk.Selection.from_json(row.selection).words(),
            "live": row.state == BulkRun.State.RUNNING,
            "deed_words": BulkDeed(row.deed).label.partition(":")[0],
        }

    def progress_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """A part of a run's page, asked for while it runs; then the page is loaded anew, without “Stop”."""
        run = self.row(request, object_id)
        live = run.state == BulkRun.State.RUNNING
        answer = TemplateResponse(request, "delivery/bulk_progress.html", {"row": run, "live": live})
        if not live:
            answer.headers["HX-Refresh"] = "true"
        return answer

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Choose, look at what it means, and start (operators and admins)."""
        mine = organizations_for(request.user, Role.OPERATOR).order_by("name")
        if not mine:
            raise PermissionDenied
        posted = request.method == "POST"
        given = request.POST if posted else request.GET
        chosen = posted or "deed" in given
        first = from_queue(given)
        form = BulkForm(given if chosen else None, organizations=mine, initial=first)
        ready = chosen and form.is_valid()
        if posted and ready:
            return self._begin(request, form)
        response = self.render(
            request,
            "delivery/bulk_new.html",
            title="Retry, cancel or replay many",
            form=form,
            one_organization=len(mine) == 1,
            not_taken=[] if chosen else [words for name, words in NOT_TAKEN.items() if given.get(name)],
            **(self._outlook(form) if ready else {}),
        )
        response.status_code = 422 if form.errors else 200
        return response

    def do_cancel(self, request: HttpRequest, run: BulkRun) -> Told:
        """Stop it."""
        if bulk.stop(run):
            return Told("Stopped. What is done stays done.")
        return Told("It had ended before.", ok=False)

    def _begin(self, request: HttpRequest, form: BulkForm) -> HttpResponse:
        organization = form.cleaned_data["organization"]
        run = bulk.begin(organization.pk, form.cleaned_data["deed"], form.selection(), str(request.user))
        return HttpResponseRedirect(self.url("change", run.pk))

    def _outlook(self, form: BulkForm) -> dict[str, Any]:
        selection, deed = form.selection(), form.cleaned_data["deed"]
        outlook = bulk.look(form.cleaned_data["organization"].pk, selection)
        return {
            "outlook": outlook,
            "words": selection.words(outlook.count),
            "takes": lasting(outlook.seconds),
            "sends": deed != BulkDeed.CANCEL,
            "deed_words": BulkDeed(deed).label.partition(":")[0],
        }

    @display(description="What")
    def what(self, run: BulkRun) -> SafeString:
        words = bulk.Selection.from_json(run.selection).words()
        by = f"by {run.started_by}" if run.started_by else ""
        deed = BulkDeed(run.deed).label.partition(":")[0]
        return format_html('{} {}<br><span class="ic-dim ic-small">{}</span>', deed, words, by)

    @display(description="State")
    def shown_state(self, run: BulkRun) -> SafeString:
        return state_badge(run.state)

    @display(description="Done")
    def shown_counts(self, run: BulkRun) -> str:
        return f"{run.done:,}" if run.total is None else f"{run.done:,} of {run.total:,}"

    @display(description="Began")
    def when(self, run: BulkRun) -> SafeString:
        return moment(run.created_at)
