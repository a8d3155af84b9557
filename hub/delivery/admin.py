"""Admin pages of the queue and the log: looked at, searched, and acted on; never edited."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import has_role, may, shown_organizations
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_deed, register_panel, register_question
from hub.connections.filters import IntegrationFilter
from hub.connections.models import Circuit, Integration, Status
from hub.connections.switching import register_consequence
from hub.delivery import bulk, bulk_admin, item_page, load, operations, sources
from hub.delivery.filters import LoggedBetween, MadeBetween, MadeFilter, SubjectFilter, TypeFilter
from hub.delivery.models import FINISHED, BulkDeed, IntegrationLog, LogKind, QueueItem, State
from hub.lib.html import moment, state_badge

RETRYABLE = (State.PENDING, State.FAILED, State.CANCELLED, State.SKIPPED)
#: Failed deliveries that are retried while somebody waits; more are left to a worker.
AT_ONCE = 1_000
#: What a search by text finds at most, the newest; and log entries whose messages it looks through.
FOUND, MESSAGES = 1_000, 50_000
#: Rows of the panels on an integration's page.
PANEL_ROWS = 8

__all__ = ["IntegrationLogAdmin", "QueueItemAdmin", "bulk_admin"]


class OutcomeFilter(DropdownFilter):
    """By outcome: all, successes, or everything that went wrong."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("ok", "Succeeded"), ("problems", "Problems")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "ok":
            return queryset.filter(outcome="ok")
        return queryset.exclude(outcome="ok") if self.value() == "problems" else queryset


@admin.register(QueueItem)
class QueueItemAdmin(HubAdmin):
    """Deliveries to make and made."""

    read_only = True
    paginator = InfinitePaginator
    empty_words = "Each event that a route takes becomes a delivery, which is listed here."
    list_display = ("what", "where", "shown_state", "shown_attempts", "when", "shown_error")
    list_display_links = ("what",)
    list_select_related = ("integration", "organization")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        IntegrationFilter,
        TypeFilter,
        SubjectFilter,
        MadeFilter,
        MadeBetween,
        ("priority", ChoicesDropdownFilter),
    )
    search_fields = ("subject", "external_id", "id")
    search_help_text = "Subject or id at the provider (or how it begins), delivery id, event id"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "delivery/item.html"
    list_before_template = "delivery/list_before.html"
    actions = ("retry_items", "cancel_items", "replay_items")
    deeds = (
        Deed("retry", "Retry now", "replay", when=lambda item: item.state in RETRYABLE),
        Deed("cancel", "Cancel", "cancel", when=lambda item: item.state == State.PENDING, tone="danger"),
        Deed(
            "replay",
            "Replay",
            "repeat",
            when=lambda item: item.state in FINISHED,
            confirm="Send this again as a new delivery? The provider will act a second time.",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[QueueItem]:
        return super().get_queryset(request).defer("result", "targets")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"has_operate": has_role(request, Role.OPERATOR), "bulk_query": request.GET.urlencode()}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if wanted := wanted_id(term):
            return queryset.filter(Q(pk=wanted) | Q(source_id=wanted)), False
        # Each by its own index; one condition over both columns would have every item read.
        mine = shown_organizations(request)
        items = QueueItem.objects.filter(organization__in=mine, external_id__startswith=term)
        # Said aloud for PostgreSQL, which takes the index of what has an id for nothing less.
        items = items.exclude(external_id="")
        found = [*items.order_by("-id").values_list("pk", flat=True)[:FOUND]]
        return queryset.filter(Q(pk__in=found) | Q(source_id__in=sources.about(mine, term))), False

    def page_context(self, request: HttpRequest, row: QueueItem) -> dict[str, Any]:
        return {**item_page.page_context(row), "event_url": event_url(row)}

    @action(description="Retry now", permissions=["operate"], icon="replay")
    def retry_items(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> None:
        """Make the chosen items due now."""
        count = operations.retry(self._chosen(request, queryset))
        self._tell(request, count, "due now", "Completed items and those under way stay as they are.")

    @action(description="Cancel", permissions=["operate"], icon="cancel")
    def cancel_items(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> None:
        """End the chosen items that wait."""
        count = operations.cancel(self._chosen(request, queryset))
        self._tell(request, count, "cancelled", "Only pending items can be cancelled.")

    @action(description="Replay as new deliveries", permissions=["operate"], icon="repeat")
    def replay_items(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> None:
        """Send the chosen, finished items again, as new items."""
        count = len(operations.replay(self._chosen(request, queryset).filter(state__in=FINISHED)))
        self._tell(request, count, "sent again", "Only finished items can be replayed.")

    def do_retry(self, request: HttpRequest, item: QueueItem) -> Told:
        """Make one item due now."""
        return _told(operations.retry([item]), "It is due now.", "It cannot be retried now.")

    def do_cancel(self, request: HttpRequest, item: QueueItem) -> Told:
        """End one item."""
        return _told(operations.cancel([item]), "Cancelled.", "It is under way already.")

    def do_replay(self, request: HttpRequest, item: QueueItem) -> Told:
        """Send one item again as a new one, and go there."""
        copy = operations.replay([item])[0]
        return Told("This is the new delivery.", url=self.url("change", copy.pk))

    def _chosen(self, request: HttpRequest, queryset: QuerySet[QueueItem]) -> QuerySet[QueueItem]:
        # The operations need every column that the list leaves out.
        return self.within_role(request, queryset, Role.OPERATOR).order_by().defer(None)

    def _tell(self, request: HttpRequest, count: int, done: str, otherwise: str) -> None:
        text = (
            f"{count} {'item' if count == 1 else 'items'} {done}." if count else f"Nothing done. {otherwise}"
        )
        self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)

    @display(description="Event")
    def what(self, item: QueueItem) -> SafeString:
        return format_html(
            '{}<br><span class="ic-dim ic-small">{}</span>', item.label or item.action, item.subject
        )

    @display(description="Goes to")
    def where(self, item: QueueItem) -> SafeString:
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', item.integration, item.action)

    @display(description="State")
    def shown_state(self, item: QueueItem) -> SafeString:
        return state_badge(item.state)

    @display(description="Attempts")
    def shown_attempts(self, item: QueueItem) -> int:
        return item.attempts

    @display(description="When")
    def when(self, item: QueueItem) -> SafeString:
        if item.state == State.PENDING:
            return format_html('<span class="ic-keep">due {}</span>', moment(item.due_at))
        return moment(item.finished_at or item.created_at)

    @display(description="Why")
    def shown_error(self, item: QueueItem) -> SafeString:
        text = held_because(item) or (item.last_error if item.state != State.COMPLETED else "")
        return format_html('<span class="ic-clip" title="{}">{}</span>', text, text)


@admin.register(IntegrationLog)
class IntegrationLogAdmin(HubAdmin):
    """What the hub did with external systems, and what they answered; secrets are masked."""

    read_only = True
    paginator = InfinitePaginator
    empty_words = "Every delivery attempt, connection test and token refresh is written down here."
    list_display = ("when", "what", "shown_integration", "shown_outcome", "shown_message", "took")
    list_display_links = ("when", "what")
    list_select_related = ("integration", "organization")
    list_filter = (
        OutcomeFilter,
        IntegrationFilter,
        ("kind", ChoicesDropdownFilter),
        SubjectFilter,
        LoggedBetween,
    )
    search_fields = ("item_id",)
    search_help_text = "Delivery id, event id, or words of a recent message"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "delivery/log.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[IntegrationLog]:
        return super().get_queryset(request).defer("exchanges")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if wanted := wanted_id(term):
            return queryset.filter(Q(item_id=wanted) | Q(source_id=wanted)), False
        latest = IntegrationLog.objects.order_by("-id").values_list("id", flat=True).first() or 0
        return queryset.filter(pk__gt=latest - MESSAGES, message__icontains=term), False

    def page_context(self, request: HttpRequest, row: IntegrationLog) -> dict[str, Any]:
        return {
            "item": QueueItem.objects.filter(pk=row.item_id).first() if row.item_id else None,
            "may_operate": may(request.user, row.organization, Role.OPERATOR),
        }

    @display(description="When")
    def when(self, entry: IntegrationLog) -> SafeString:
        return moment(entry.created_at)

    @display(description="What")
    def what(self, entry: IntegrationLog) -> SafeString:
        detail = ", ".join(filter(None, [entry.action, f"attempt {entry.attempt}" if entry.attempt else ""]))
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', LogKind(entry.kind).label, detail)

    @display(description="Integration")
    def shown_integration(self, entry: IntegrationLog) -> str:
        return str(entry.integration)

    @display(description="Outcome")
    def shown_outcome(self, entry: IntegrationLog) -> SafeString:
        return state_badge(entry.outcome)

    @display(description="Message")
    def shown_message(self, entry: IntegrationLog) -> SafeString:
        return format_html('<span class="ic-clip" title="{}">{}</span>', entry.message, entry.message)

    @display(description="Took")
    def took(self, entry: IntegrationLog) -> str:
        return f"{entry.duration_ms:,} ms" if entry.duration_ms else "–"


def wanted_id(term: str) -> UUID | None:
    """Return the id that somebody looks for, also as the idempotency key that is made of it."""
    try:
        return UUID(term.strip().removeprefix("hub_"))
    except ValueError:
        return None


def held_because(item: QueueItem) -> str:
    """Return why a waiting item is not claimed although it is due; empty where nothing holds it."""
    integration, now = item.integration, timezone.now()
    if item.state != State.PENDING or item.due_at > now:
        return ""
    if integration.status != Status.ACTIVE:
        return f"Held: {integration.name} is {integration.get_status_display().lower()}."
    until = integration.blocked_until
    if until and until > now:
        return f"{integration.name} asked to wait until {timezone.localtime(until):%H:%M:%S}."
    if integration.circuit == Circuit.OPEN:
        return f"{integration.name} failed {integration.failures_lately} times in a minute and gets a rest."
    if quota := item.organization.deliveries_per_second:
        return f"In its turn: {item.organization} may make {quota:,} deliveries a second in all."
    return ""


def event_url(item: QueueItem) -> str:
    """Return the page of what the item delivers, where it is an event."""
    if item.source_type != "event":
        return ""
    return reverse("admin:events_event_change", args=[item.source_id])


def _told(count: int, done: str, otherwise: str) -> Told:
    return Told(done) if count else Told(otherwise, ok=False)


def _retry_failed(request: HttpRequest, integration: Integration) -> Told:
    """Make every failed delivery of one integration due now; many of them by a bulk run."""
    failed = QueueItem.objects.filter(integration=integration, state=State.FAILED)
    if failed[AT_ONCE : AT_ONCE + 1].exists():
        selection = bulk.Selection(State.FAILED, integration.pk)
        run = bulk.begin(integration.organization_id, BulkDeed.RETRY, selection, str(request.user))
        return Told("A worker retries them now.", url=reverse("admin:delivery_bulkrun_change", args=[run.pk]))
    count = operations.retry(failed)
    return Told(f"{count} failed {'delivery is' if count == 1 else 'deliveries are'} due now.")


def integration_panel(request: HttpRequest, integration: Integration) -> dict[str, Any]:
    """Return the queue and the log of one integration, newest first."""
    # With the organization, so that the index of what failed serves.
    items = QueueItem.objects.filter(organization=integration.organization_id, integration=integration)
    rows = items.defer("result", "targets")
    under_way = rows.filter(state=State.PROCESSING).order_by("due_at")[:PANEL_ROWS]
    # As they will be claimed: that order has an index, however many wait.
    waiting = rows.filter(state=State.PENDING).order_by("claim_order")[:PANEL_ROWS]
    return {
        "open_items": [*under_way, *waiting][:PANEL_ROWS],
        "failed_count": items.filter(state=State.FAILED).count(),
        "logs": integration.logs.defer("exchanges").order_by("-id")[:PANEL_ROWS],
        "queue_url": f"{reverse('admin:delivery_queueitem_changelist')}?integration={integration.pk}",
        "log_url": f"{reverse('admin:delivery_integrationlog_changelist')}?integration={integration.pk}",
        "retry_url": reverse("admin:connections_integration_do", args=[integration.pk, "retry-failed"]),
        "may_retry": may(request.user, integration.organization, Role.OPERATOR),
    }


register_panel(Integration, Panel("delivery/integration_panel.html", integration_panel, order=60))


def _resume_question(request: HttpRequest, integration: Integration) -> dict[str, Any]:
    """Return what resuming sets moving, and what it is."""
    waiting = QueueItem.objects.filter(integration=integration, state=State.PENDING)
    labels = load.counted(waiting, "label").by
    return {
        "stop": load.stop(integration, 0),
        "labels": sorted(labels.items(), key=lambda entry: -entry[1])[:PANEL_ROWS],
    }


register_question(Integration, "resume", Panel("delivery/resume_question.html", _resume_question))
register_deed(
    Integration,
    Deed("retry-failed", "Retry all failed", "replay", run=_retry_failed, shown=False),
)


def _waiting(integration: Integration) -> str:
    """What a switch to another account means for the queue."""
    count = len(
        QueueItem.objects.filter(integration=integration, state=State.PENDING).values_list("pk")[:1001]
    )
    more = "more than 1,000 deliveries" if count > 1000 else f"{count} deliver{'y' if count == 1 else 'ies'}"
    return f"Its queue holds {more} for it; the new account would get them." if count else ""


register_consequence(_waiting)
