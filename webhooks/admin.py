"""Admin pages of webhook endpoints and of the calls they received."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.access import may, organizations_for
from hub.accounts.filters import ScopedFilter
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Panel, Told, register_panel
from hub.connections.models import Integration
from hub.connections.switching import register_consequence
from hub.events.models import Event
from hub.lib.html import badge, moment, state_badge
from hub.lib.sentences import plural
from integrations.base.fields import Field, FieldErrors
from integrations.base.registry import providers
from webhooks import signature_page, subscription_admin
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.proving import missing_secrets
from webhooks.service import create_endpoint, endpoint_url, new_address, resend, set_secrets

State = ReceivedWebhook.State
#: Calls on an endpoint's page.
LATEST = 10


__all__ = ["ReceivedWebhookAdmin", "WebhookEndpointAdmin", "subscription_admin"]


class EndpointFilter(ScopedFilter):
    """By endpoint."""

    title = "endpoint"
    parameter_name = "endpoint"
    model = WebhookEndpoint
    columns = ("name",)


class NewEndpointForm(forms.Form):
    """Which integration calls, and what the endpoint is called."""

    integration = forms.ModelChoiceField(Integration.objects.none(), empty_label="Choose an integration")
    name = forms.CharField(
        max_length=120,
        help_text="For example “Stripe, live events”.",
        error_messages={"required": "Give it a name, so that it can be told from others."},
    )

    def __init__(self, *args: Any, integrations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        missing = {"required": "Choose the integration whose calls come here."}
        choice = forms.ModelChoiceField(
            integrations, empty_label="Choose an integration", error_messages=missing
        )
        self.fields["integration"] = choice
        for bound in self.fields.values():
            bound.widget.attrs |= {"class": "ic-input", "autocomplete": "off"}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HubAdmin):
    """Secret URLs that providers call."""

    empty_words = "An endpoint is a secret address that a service calls to tell the hub what happened there."
    list_display = ("shown_name", "shown_integration", "shown_state", "shown_last")
    list_display_links = ("shown_name",)
    list_select_related = ("integration", "organization")
    search_fields = ("name", "slug", "integration__name")
    search_help_text = "Name, short name or integration"
    #: Follows from the secrets: a button ends it.
    exclude = ("previous_until",)
    page_template = "webhooks/endpoint.html"
    deeds = (
        Deed("switch-on", "Switch on", "toggle_on", Role.ADMIN, when=lambda row: not row.enabled),
        Deed("switch-off", "Switch off", "toggle_off", Role.ADMIN, when=lambda row: row.enabled),
        Deed(
            "end-overlap",
            "End the overlap",
            "key_off",
            Role.ADMIN,
            when=lambda row: bool(row.previous_until and row.previous_until > timezone.now()),
            confirm="Accept only the new secret from now on? Calls signed with the old one are refused.",
        ),
        Deed(
            "new-address",
            "New address",
            "autorenew",
            Role.ADMIN,
            confirm="Make a new address? The old one is refused at once; enter the new one at the provider.",
        ),
        Deed(
            "remove",
            "Remove",
            "delete",
            Role.ADMIN,
            confirm="Remove this endpoint and the calls it received? The provider's calls are refused then.",
            tone="danger",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        def page(address: str, view: Any) -> URLPattern:
            name = f"webhooks_webhookendpoint_{address}"
            return path(f"<uuid:object_id>/{address}/", self.admin_site.admin_view(view), name=name)

        return [
            page("secrets", self.secrets_view),
            page("signature", self.signature_view),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("integration", "organization")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing one is a deed of its page, which says what goes with it."""
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Make an endpoint; its page then tells what to enter at the provider."""
        mine = organizations_for(request.user, Role.ADMIN)
        if not mine.exists():
            raise PermissionDenied
        able = [slug for slug, provider in providers().items() if provider.webhook is not None]
        choice = Integration.objects.filter(organization__in=mine, provider_slug__in=able)
        form = NewEndpointForm(
            request.POST or None, integrations=choice, initial={"integration": request.GET.get("integration")}
        )
        if request.method == "POST" and form.is_valid():
            endpoint = create_endpoint(form.cleaned_data["integration"], form.cleaned_data["name"])
            return HttpResponseRedirect(self.url("change", endpoint.pk))
        return self.render(
            request, "webhooks/new.html", title="New endpoint", form=form, possible=choice.exists()
        )

    def page_context(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, Any]:
        provider = providers().get(row.integration.provider_slug)
        webhook = provider.webhook if provider else None
        current = (row.keys or {}).get("current") or {}
        admin_here = may(request.user, row.organization, Role.ADMIN)
        latest = list(_without_body(row.received.order_by("-id"))[:LATEST])
        return {
            # The address is a secret of its own: who has it may call.
            "address": endpoint_url(row) if admin_here and row.knows_address else "",
            "webhook": webhook,
            "fields": [_secret_row(declared, current) for declared in (webhook.fields if webhook else ())],
            "missing": missing_secrets(webhook, current) if webhook else [],
            "signature_url": self.url("signature", row.pk),
            "secrets_url": self.url("secrets", row.pk),
            "overlap": bool(row.previous_until and row.previous_until > timezone.now()),
            "latest": latest,
            "newest": newest_call(row, latest),
            "refused": latest[0] if latest and latest[0].state == State.REFUSED else None,
            "integration": row.integration,
        }

    def secrets_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """POST: take the secrets of the form; those left empty stay."""
        row: WebhookEndpoint = self.row(request, object_id, Role.ADMIN)
        if request.method == "POST":
            given = {
                name.removeprefix("f_"): str(value)
                for name, value in request.POST.items()
                if name.startswith("f_")
            }
            self._take_secrets(request, row, given)
        return HttpResponseRedirect(self.url("change", row.pk))

    def signature_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """The tool that says whether a pasted call is proved, and signs samples."""
        return signature_page.show(self, request, self.row(request, object_id, Role.ADMIN))

    def _take_secrets(self, request: HttpRequest, row: WebhookEndpoint, given: dict[str, str]) -> None:
        try:
            changed = set_secrets(row, given)
        except FieldErrors as error:
            for text in error.errors.values():
                messages.error(request, text)
            return
        if not changed:
            messages.info(request, "Nothing was entered, so nothing changed.")
        elif row.previous_until:
            messages.success(
                request, "Saved. Calls signed with the old secret are accepted for 24 hours more."
            )
        else:
            messages.success(request, "Saved. Calls that this secret proves are accepted from now on.")

    def do_switch_on(self, request: HttpRequest, row: WebhookEndpoint) -> Told:
        """Accept calls."""
        row.enabled = True
        row.save(update_fields=["enabled", "updated_at"])
        return Told("It accepts calls.")

    def do_switch_off(self, request: HttpRequest, row: WebhookEndpoint) -> Told:
        """Refuse calls."""
        row.enabled = False
        row.save(update_fields=["enabled", "updated_at"])
        return Told("It refuses every call from now on.")

    def do_end_overlap(self, request: HttpRequest, row: WebhookEndpoint) -> Told:
        """Accept the new secret only."""
        row.end_overlap()
        return Told("Only the new secret is accepted from now on.")

    def do_new_address(self, request: HttpRequest, row: WebhookEndpoint) -> Told:
        """Give it another token."""
        new_address(row)
        return Told("This is the new address; enter it at the provider.")

    def do_remove(self, request: HttpRequest, row: WebhookEndpoint) -> Told:
        """Remove it with its calls."""
        name = str(row)
        row.delete()
        return Told(f"{name} is removed.", url=self.url("changelist"))

    @display(description="Endpoint", ordering="name")
    def shown_name(self, row: WebhookEndpoint) -> str:
        return row.name

    @display(description="Integration", ordering="integration__name")
    def shown_integration(self, row: WebhookEndpoint) -> str:
        return str(row.integration)

    @display(description="State")
    def shown_state(self, row: WebhookEndpoint) -> SafeString:
        if not row.enabled:
            return badge("Off", "mute")
        return badge("Receiving", "good") if row.last_call_at else badge("Waiting for the first call", "info")

    @display(description="Last call", ordering="last_call_at")
    def shown_last(self, row: WebhookEndpoint) -> SafeString:
        return moment(row.last_call_at, empty="never")


@admin.register(ReceivedWebhook)
class ReceivedWebhookAdmin(HubAdmin):
    """Calls of providers, accepted and refused."""

    read_only = True
    paginator = InfinitePaginator
    empty_words = "Calls to the webhook endpoints are listed here, the refused ones too."
    list_display = ("what", "shown_state", "shown_reason", "became", "when")
    list_display_links = ("what",)
    list_select_related = ("endpoint", "endpoint__integration", "organization")
    list_filter = (("state", ChoicesDropdownFilter), EndpointFilter)
    search_fields = ("call_id", "reason", "source_ip")
    search_help_text = "The provider's call id, reason or address"
    ordering = ("-id",)
    sortable_by = ()
    page_template = "webhooks/received.html"
    deeds = (
        Deed(
            "resend",
            "Process again",
            "replay",
            when=lambda row: row.state in (State.PROCESSED, State.FAILED),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return _without_body(super().get_queryset(request))

    def page_context(self, request: HttpRequest, row: ReceivedWebhook) -> dict[str, Any]:
        return {
            "body": bytes(row.body),
            "first_url": self._first_url(request, row),
            "headers": row.headers,
            "events": Event.objects.filter(pk__in=row.events).defer("data"),
        }

    def _first_url(self, request: HttpRequest, row: ReceivedWebhook) -> str:
        """Return the page of the call that ``row`` repeats; empty where it repeats none, or that is gone."""
        if row.repeats is None:
            return ""
        found = self.get_queryset(request).filter(endpoint=row.endpoint_id, pk=row.repeats).exists()
        return self.url("change", row.repeats) if found else ""

    def do_resend(self, request: HttpRequest, row: ReceivedWebhook) -> Told:
        """Send a kept call through the pipeline again."""
        try:
            resend(row)
        except ValueError as error:
            return Told(str(error), ok=False)
        return Told("It is processed again in a moment; events that it became already are not made twice.")

    @display(description="Call")
    def what(self, row: ReceivedWebhook) -> SafeString:
        return format_html(
            '{}<br><span class="ic-dim ic-small">{}</span>',
            row.endpoint.name,
            row.call_id or f"call {row.pk}",
        )

    @display(description="State")
    def shown_state(self, row: ReceivedWebhook) -> SafeString:
        return state_badge(row.state)

    @display(description="Why")
    def shown_reason(self, row: ReceivedWebhook) -> SafeString:
        return format_html('<span class="ic-clip" title="{}">{}</span>', row.reason, row.reason)

    @display(description="Became")
    def became(self, row: ReceivedWebhook) -> str:
        count = len(row.events)
        return plural(count, "event") if count else "–"

    @display(description="Received")
    def when(self, row: ReceivedWebhook) -> SafeString:
        return moment(row.received_at)


def newest_call(row: WebhookEndpoint, latest: list[ReceivedWebhook]) -> datetime | None:
    """Return when the newest proved call came: the endpoint itself notes one a minute at most."""
    proved = (call.received_at for call in latest if call.state != State.REFUSED)
    return max(filter(None, (row.last_call_at, *proved)), default=None)


def _without_body(rows: Any) -> Any:
    return rows.defer("body", "headers")


def _secret_row(declared: Field, current: dict[str, str]) -> dict[str, Any]:
    return {"field": declared, "kept": bool(current.get(declared.name)), "error": "", "value": ""}


def _integration_panel(request: HttpRequest, integration: Integration) -> dict[str, Any]:
    provider = providers().get(integration.provider_slug)
    return {
        "able": provider is not None and provider.webhook is not None,
        "endpoints": list(integration.webhook_endpoints.all()),
        "may_admin": may(request.user, integration.organization, Role.ADMIN),
    }


register_panel(Integration, Panel("webhooks/integration_panel.html", _integration_panel, order=50))


def _endpoints_stay(integration: Integration) -> str:
    """What a switch to another account means for the endpoints."""
    count = integration.webhook_endpoints.count()
    if not count:
        return ""
    which = "webhook endpoint is" if count == 1 else f"{count} webhook endpoints are"
    return f"Its {which} still called by the old account: set {'it' if count == 1 else 'them'} up anew."


register_consequence(_endpoints_stay)
