"""Admin page of conflicts: both values side by side, and one click to decide."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.connections.filters import IntegrationFilter
from hub.lib.html import badge, moment
from hub.lib.sentences import plural
from hub.mapping.values import shown
from hub.sync.conflicts import Undecided, decide
from hub.sync.models import Conflict, Winner

#: What was chosen, for people.
CHOSEN = {
    "hub": "The hub's value",
    "provider": "The integration's value",
    "fields": "Some of each",
    "agreed": "Both had the same again",
}


class OpenFilter(DropdownFilter):
    """Open ones, unless others are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("decided", "Decided"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> QuerySet[Conflict]:
        if self.value() == "all":
            return queryset
        return queryset.exclude(chosen="") if self.value() == "decided" else queryset.filter(chosen="")


class ConflictAdmin(HubAdmin):
    """Records that both sides changed, newest first."""

    read_only = True
    empty_words = (
        "No conflict waits for you. One appears here when both sides changed the same field, and the sync "
        "says that a person decides."
    )
    paginator = InfinitePaginator
    list_display = ("what", "shown_integration", "shown_fields", "shown_state", "when")
    list_display_links = ("what",)
    list_select_related = ("record__type", "integration", "sync", "organization")
    list_filter = (OpenFilter, IntegrationFilter)
    ordering = ("-id",)
    sortable_by = ()
    actions = ("hub_wins", "provider_wins")
    page_template = "sync/conflict.html"
    deeds = (
        Deed("hub", "Keep the hub's", "home", when=lambda row: not row.chosen),
        Deed("provider", "Take the integration's", "cloud_download", when=lambda row: not row.chosen),
        Deed("fields", "Decide", "check", when=lambda row: not row.chosen, shown=False),
    )

    def page_context(self, request: HttpRequest, row: Conflict) -> dict[str, Any]:
        here = row.record.data
        rows = [
            (name, _text(values["hub"] if row.chosen else here.get(name)), _text(values["provider"]))
            for name, values in row.fields.items()
        ]
        return {"rows": rows, "told": CHOSEN.get(row.chosen, row.chosen)}

    def do_hub(self, request: HttpRequest, row: Conflict) -> Told:
        """Let the hub's values win."""
        return _decide(request, row, Winner.HUB.value)

    def do_provider(self, request: HttpRequest, row: Conflict) -> Told:
        """Let the integration's values win."""
        return _decide(request, row, Winner.PROVIDER.value)

    def do_fields(self, request: HttpRequest, row: Conflict) -> Told:
        """Let each field's own choice win."""
        return _decide(request, row, {name: request.POST.get(f"field-{name}", "") for name in row.fields})

    @action(description="Keep the hub's", permissions=["operate"], icon="home")
    def hub_wins(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> None:
        """Let the hub win all that are chosen."""
        self._decide_all(request, queryset, Winner.HUB.value)

    @action(description="Take the integration's", permissions=["operate"], icon="cloud_download")
    def provider_wins(self, request: HttpRequest, queryset: QuerySet[Conflict]) -> None:
        """Let the integrations win all that are chosen."""
        self._decide_all(request, queryset, Winner.PROVIDER.value)

    def _decide_all(self, request: HttpRequest, queryset: QuerySet[Conflict], choice: str) -> None:
        rows = self.within_role(request, queryset, Role.OPERATOR).filter(chosen="")
        told = [_decide(request, row, choice) for row in rows]
        done = sum(one.ok for one in told)
        words = plural(done, "conflict was decided", "conflicts were decided")
        self.message_user(request, f"{words}.", messages.SUCCESS if done else messages.WARNING)
        for one in told:
            if not one.ok:
                self.message_user(request, one.text, messages.ERROR)

    @display(description="Record")
    def what(self, row: Conflict) -> SafeString:
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', row.record, row.record.type)

    @display(description="Integration")
    def shown_integration(self, row: Conflict) -> str:
        return str(row.integration)

    @display(description="Fields")
    def shown_fields(self, row: Conflict) -> str:
        return ", ".join(row.fields)

    @display(description="State")
    def shown_state(self, row: Conflict) -> SafeString:
        return badge(CHOSEN.get(row.chosen, row.chosen), "mute") if row.chosen else badge("Open", "warn")

    @display(description="Since")
    def when(self, row: Conflict) -> SafeString:
        return moment(row.created_at)


def _decide(request: HttpRequest, row: Conflict, choice: Any) -> Told:
    try:
        decide(row, choice, str(request.user))
    except Undecided as error:
        return Told(str(error), ok=False)
    return Told(f"Decided for {row.record} at {timezone.localtime():%H:%M}; the next push tells it.")


def _text(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else shown(value)
