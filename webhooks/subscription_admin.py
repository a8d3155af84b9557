"""Admin pages of outgoing webhooks."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from hub.accounts.access import organizations_for
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.connections.models import Circuit
from hub.delivery.admin import integration_panel
from hub.delivery.models import QueueItem, State
from hub.delivery.operations import retry
from hub.lib.html import badge, moment
from integrations.base.fields import FieldErrors
from webhooks import subscriptions, watching
from webhooks.models import Subscription
from webhooks.subscription_forms import SubscriptionForm, initial_of

#: Hours of overlap that the page offers for a rotation.
OVERLAPS = ((0, "at once"), (24, "for a day"), (72, "for three days"), (168, "for a week"))


@admin.register(Subscription)
class SubscriptionAdmin(HubAdmin):
    """Addresses that get events, signed."""

    empty_words = "An outgoing webhook sends events, signed, to an address of your own or of a partner."
    list_display = ("shown_name", "shown_types", "shown_state", "shown_url")
    list_display_links = ("shown_name",)
    search_fields = ("name", "integration__settings__url", "route__type_pattern")
    search_help_text = "Name, address or event type"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "webhooks/subscription.html"
    deeds = (
        Deed("test", "Send a test event", "send", when=lambda row: row.enabled),
        Deed(
            "switch-on",
            "Switch on again",
            "toggle_on",
            when=lambda row: not row.enabled and row.ended_at is None,
            tone="primary",
        ),
        Deed(
            "switch-off",
            "Switch off",
            "toggle_off",
            when=lambda row: row.enabled,
            confirm="Send nothing any more? What waits is held, new events are not queued for it.",
        ),
        Deed("retry-failed", "Retry all failed", "replay", shown=False),
        Deed(
            "end-overlap",
            "End the overlap",
            "key_off",
            Role.ADMIN,
            when=lambda row: row.previous_until is not None,
            confirm="Sign with the new secret only? A receiver that has only the old one refuses all.",
        ),
        Deed(
            "unsubscribe",
            "Remove",
            "delete",
            Role.ADMIN,
            when=lambda row: row.ended_at is None,
            confirm="Remove this webhook? What waits for it is cancelled, its secret is deleted.",
            tone="danger",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            # Where links to the integration lead: see Provider.managed_by.
            path("of/<uuid:object_id>/", view(self.of_view), name="subscription_of"),
            path("<uuid:object_id>/rotate/", view(self.rotate_view), name="webhooks_subscription_rotate"),
            # Before the base's own page of the same name.
            path("<uuid:object_id>/edit/", view(self.change_form), name="webhooks_subscription_edit"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("integration", "route", "organization")
        listing = request.resolver_match is not None and request.resolver_match.url_name == self.url_name(
            "changelist"
        )
        return rows.filter(ended_at__isnull=True) if listing else rows

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing one is a deed of its page, which keeps the history."""
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make one; the answer shows its secret, nobody can later."""
        mine = organizations_for(request.user, Role.ADMIN)
        if not mine.exists():
            raise PermissionDenied
        initial = {"types": request.GET.get("types", "")}
        form = SubscriptionForm(request.POST or None, organizations=mine, initial=initial)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                row, secret = subscriptions.create(
                    given["organization"], form.wanted(), secret=given["secret"]
                )
            except FieldErrors as error:
                form.refuse(error.errors)
            else:
                return self._with_secret(request, row, secret)
        return self.render(
            request, "webhooks/subscription_form.html", title="New outgoing webhook", form=form
        )

    def change_form(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """The same form for one that is there."""
        row: Subscription = self.row(request, object_id, Role.ADMIN)
        if row.ended_at is not None:
            raise Http404("It was removed.")
        form = SubscriptionForm(request.POST or None, initial=initial_of(subscriptions.wanted_of(row)))
        if request.method == "POST" and form.is_valid():
            wanted = form.wanted()
            try:
                subscriptions.change(row, **{name: getattr(wanted, name) for name in wanted.__slots__})
            except FieldErrors as error:
                form.refuse(error.errors)
            else:
                messages.success(request, "Saved. The next event is sent accordingly.")
                return HttpResponseRedirect(self.url("change", row.pk))
        return self.render(request, "webhooks/subscription_form.html", row, form=form)

    def rotate_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """POST: replace the secret; the answer shows the new one, this once."""
        row: Subscription = self.row(request, object_id, Role.ADMIN)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        hours = request.POST.get("hours", "24")
        try:
            secret = subscriptions.rotate(
                row,
                secret=request.POST.get("secret", ""),
                overlap=timedelta(hours=int(hours) if hours.isascii() and hours.isdigit() else -1),
            )
        except FieldErrors as error:
            for text in error.errors.values():
                messages.error(request, text)
            return HttpResponseRedirect(self.url("change", row.pk))
        return self._with_secret(request, row, secret)

    def of_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Go from an integration to the subscription that it belongs to."""
        row = self.get_queryset(request).filter(integration=object_id).first()
        if row is None:
            raise Http404("There is no such outgoing webhook.")
        return HttpResponseRedirect(self.url("change", row.pk))

    def page_context(self, request: HttpRequest, row: Subscription) -> dict[str, Any]:
        panel = integration_panel(request, row.integration)
        return {
            "integration": row.integration,
            "ends_at": watching.ends_at(row),
            "held": QueueItem.objects.filter(integration=row.integration_id, state=State.PENDING).count(),
            "rate": row.integration.rate,
            "edit_url": self.url("edit", row.pk),
            "rotate_url": reverse("admin:webhooks_subscription_rotate", args=[row.pk]),
            "overlaps": OVERLAPS,
            "panel": panel | {"retry_url": self.url("do", row.pk, "retry-failed")},
            "sample": subscriptions.sample(row.organization, row.types)[0],
        }

    def do_test(self, request: HttpRequest, row: Subscription) -> Told:
        """Queue a test event, and go to its story."""
        try:
            event = subscriptions.send_test(row)
        except ValueError as error:
            return Told(str(error), ok=False)
        story = reverse("admin:events_event_change", args=[event.pk])
        return Told("A test event is on its way; this page tells what comes of it.", url=story)

    def do_switch_on(self, request: HttpRequest, row: Subscription) -> Told:
        """Send again."""
        held = subscriptions.switch_on(row)
        more = f" {held} held deliver{'y goes' if held == 1 else 'ies go'} out first." if held else ""
        return Told(f"It is switched on.{more}")

    def do_switch_off(self, request: HttpRequest, row: Subscription) -> Told:
        """Send nothing any more."""
        subscriptions.switch_off(row, f"Switched off by {request.user}.")
        return Told("It is switched off. What waits is held until it is switched on again.")

    def do_retry_failed(self, request: HttpRequest, row: Subscription) -> Told:
        """Make all that gave up due again."""
        count = retry(QueueItem.objects.filter(integration=row.integration_id, state=State.FAILED))
        return Told(f"{count} {'is' if count == 1 else 'are'} due again.")

    def do_end_overlap(self, request: HttpRequest, row: Subscription) -> Told:
        """Sign with the new secret only."""
        subscriptions.end_overlap(row)
        return Told("Only the new secret signs from now on.")

    def do_unsubscribe(self, request: HttpRequest, row: Subscription) -> Told:
        """End it."""
        subscriptions.end(row)
        return Told(f"{row} is removed; what it got stays in the log.", url=self.url("changelist"))

    def _with_secret(self, request: HttpRequest, row: Subscription, secret: str) -> HttpResponse:
        """Show the secret on the answer itself, so that it is written down nowhere."""
        response = self.render(
            request, self.page_template, row, secret=secret, **self.page_context(request, row)
        )
        response["Cache-Control"] = "no-store"
        return response

    @display(description="Webhook")
    def shown_name(self, row: Subscription) -> str:
        return row.name

    @display(description="Gets")
    def shown_types(self, row: Subscription) -> SafeString:
        return format_html_join(", ", '<span class="ic-mono">{}</span>', ((each,) for each in row.types))

    @display(description="State")
    def shown_state(self, row: Subscription) -> SafeString:
        if not row.enabled:
            return badge("Off", "mute")
        if row.failing_since:
            return format_html("{} since {}", badge("Failing", "bad"), moment(row.failing_since))
        if row.integration.circuit != Circuit.CLOSED:
            return badge("Waiting for it to recover", "warn")
        return badge("On", "good")

    @display(description="Address")
    def shown_url(self, row: Subscription) -> SafeString:
        return format_html('<span class="ic-clip" title="{}">{}</span>', row.url, row.url)
