"""Admin pages of events: the list, one event's story, and a test event sent by hand."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import has_role, organizations_for, shown_organizations
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_question
from hub.delivery.admin import wanted_id
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events import route_admin
from hub.events.again import changes
from hub.events.event_page import page_context
from hub.events.filters import OriginFilter, OutcomeFilter, ReceivedFilter, StoredTypeFilter
from hub.events.forms import EventTypeForm, TestEventForm, example_of, known_types, types_with_example
from hub.events.impact import replay_impact
from hub.events.models import Event, EventType
from hub.events.replay import replay_event
from hub.events.search import named
from hub.lib.html import badge, moment

__all__ = ["EventAdmin", "EventTypeAdmin", "route_admin"]


@admin.register(Event)
class EventAdmin(HubAdmin):
    """Everything that happened; an event's page tells what became of it."""

    read_only = True
    paginator = InfinitePaginator
    list_display = ("what", "shown_outcome", "shown_origin", "when")
    list_display_links = ("what",)
    list_filter = (StoredTypeFilter, OutcomeFilter, OriginFilter, ReceivedFilter)
    search_fields = ("subject", "type", "idempotency_key")
    search_help_text = "Type, subject (or how it begins), idempotency key or event id"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "events/event.html"
    list_before_template = "events/list_before.html"
    deeds = (
        Deed(
            "replay",
            "Replay",
            "repeat",
            when=lambda event: event.data_removed_at is None,
            confirm="Send this event again by the routes of today? The providers will act a second time.",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        attempt = "<uuid:object_id>/attempt/<int:log_id>/"
        return [
            path("send/", self.admin_site.admin_view(self.send_view), name="events_event_send"),
            path(attempt, self.admin_site.admin_view(self.attempt_view), name="events_event_attempt"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("data")

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Note on each event in which states its deliveries are."""
        items = QueueItem.objects.filter(source_type="event", source_id__in=[event.pk for event in rows])
        found: dict[UUID, set[str]] = {}
        for source_id, state in items.values_list("source_id", "state").order_by().distinct():
            found.setdefault(source_id, set()).add(state)
        for event in rows:
            event.states = found.get(event.pk, set())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = wanted_id(term)
        found = [wanted] if wanted else named(shown_organizations(request), term)
        return queryset.filter(pk__in=found), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_send = has_role(request, Role.OPERATOR)
        return super().changelist_view(request, {**(extra_context or {}), "may_send": may_send})

    def page_context(self, request: HttpRequest, row: Event) -> dict[str, Any]:
        return page_context(request, row, self.admin_site)

    def attempt_view(self, request: HttpRequest, object_id: UUID, log_id: int) -> HttpResponse:
        """A part of the event's page, asked for when it is unfolded: one attempt's requests and answers."""
        event = self.row(request, object_id)
        entry = IntegrationLog.objects.filter(pk=log_id, source_id=event.pk).first()
        if entry is None:
            raise Http404("There is no such attempt.")
        return TemplateResponse(request, "events/exchanges.html", {"entry": entry})

    def do_replay(self, request: HttpRequest, row: Event) -> Told:
        """Queue the event anew."""
        items = replay_event(row)
        if not items:
            return Told("No route wants this event now, so nothing was queued.", ok=False)
        return Told(f"Queued again: {len(items)} {'delivery' if len(items) == 1 else 'deliveries'}.")

    def send_view(self, request: HttpRequest) -> HttpResponse:
        """Send a test event (operators and admins)."""
        mine = organizations_for(request.user, Role.OPERATOR).order_by("name")
        if not mine:
            raise PermissionDenied
        first = example_of(mine, request.GET.get("like", ""))
        form = TestEventForm(request.POST or None, organizations=mine, initial=first)
        if request.method == "POST" and form.is_valid() and (accepted := form.send()) is not None:
            return HttpResponseRedirect(self.url("change", accepted.event_id))
        response = self.render(
            request,
            "events/send.html",
            title="Send a test event",
            form=form,
            one_organization=len(mine) == 1,
            types=known_types(mine),
            examples=types_with_example(mine),
        )
        response.status_code = 422 if form.errors else 200
        return response

    @display(description="Event")
    def what(self, event: Event) -> SafeString:
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', event.type, event.subject)

    @display(description="What became of it")
    def shown_outcome(self, event: Any) -> SafeString:
        if State.FAILED in event.states:
            return badge("Delivery failed", "bad")
        if event.states & {State.PENDING, State.PROCESSING}:
            return badge("Under way", "info")
        return badge("Delivered", "good") if event.states else badge("No route wanted it", "mute")

    @display(description="Came by")
    def shown_origin(self, event: Event) -> str:
        return dict(OriginFilter.options).get(event.origin, event.origin)

    @display(description="Received")
    def when(self, event: Event) -> SafeString:
        return moment(event.received_at)


def _replay_question(request: HttpRequest, event: Event) -> dict[str, Any]:
    """Return where the event would go now, and what would be sent there beside what was."""
    again = replay_impact(event)
    return {"again": again, "changes": changes(event, again.decisions)}


register_question(Event, "replay", Panel("events/replay_question.html", _replay_question))


@admin.register(EventType)
class EventTypeAdmin(HubAdmin):
    """Types of events that are registered, with an optional schema."""

    form = EventTypeForm
    list_display = ("name", "description", "shown_schema")
    search_fields = ("name", "description")
    fieldsets = (
        (None, {"fields": ("organization", "name", "description", "on_invalid")}),
        ("Schema and example", {"fields": ("schema", "example")}),
    )

    @display(description="Schema")
    def shown_schema(self, row: EventType) -> SafeString:
        if row.schema is None:
            return badge("Anything goes", "mute")
        return (
            badge("Refuses", "warn")
            if row.on_invalid == EventType.OnInvalid.REJECT
            else badge("Warns", "info")
        )
