"""Admin pages of integrations: the list, one integration's page, and its deeds."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from hub.accounts.access import may, organizations_for
from hub.accounts.models import Role
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.connections import account_views, connect_views, expiry_page
from hub.connections.check import run_connection_test
from hub.connections.forms import is_sign_in
from hub.connections.models import Circuit, Integration, Status
from hub.lib.html import badge, logo, moment, state_badge
from hub.lib.sentences import advised
from integrations.base.registry import managed_slugs, providers

#: Kinds of failed tests that need no other setting, but another moment.
PASSES_BY_ITSELF = ("transient", "rate_limited")


class ProviderFilter(DropdownFilter):
    """By provider."""

    title = "provider"
    parameter_name = "provider_slug"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Integration.objects.filter(organization__in=organizations_for(request.user))
        used = set(rows.values_list("provider_slug", flat=True))
        return [(slug, provider.name) for slug, provider in providers().items() if slug in used]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(provider_slug=self.value()) if self.value() else queryset


@admin.register(Integration)
class IntegrationAdmin(HubAdmin):
    """Configured providers. Connecting and editing is the guided form, not Django's."""

    empty_words = "Connect a service: choose it, paste its key, and it is tested at once."
    list_display = ("shown_name", "shown_status", "shown_test", "shown_mode", "shown_account")
    list_display_links = ("shown_name",)
    list_filter = (("status", ChoicesDropdownFilter), ProviderFilter, "sandbox")
    search_fields = ("name", "slug", "provider_slug", "account_label")
    search_help_text = "Name, provider or account"
    page_template = "connections/integration.html"
    list_before_template = "connections/list_before.html"
    deeds = (
        Deed("test", "Test now", "network_check"),
        Deed("pause", "Pause", "pause", when=lambda row: row.status == Status.ACTIVE),
        Deed(
            "resume",
            "Resume",
            "play_arrow",
            when=lambda row: row.status == Status.PAUSED or row.circuit != Circuit.CLOSED,
        ),
        Deed(
            "sign-in",
            "Sign in again",
            "login",
            Role.ADMIN,
            when=lambda row: is_sign_in_integration(row),
            words=lambda row: connect_views.sign_in_words(row),
        ),
        Deed(
            "disconnect",
            "Disconnect",
            "link_off",
            Role.ADMIN,
            confirm="Remove this integration with its routes, its queue and its log? This cannot be undone.",
            tone="danger",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        def page(view: Any) -> Any:
            def bound(request: HttpRequest, **kwargs: Any) -> HttpResponse:
                return view(self, request, **kwargs)

            return self.admin_site.admin_view(bound)

        views = connect_views
        return [
            path("connect/", page(views.gallery), name="connections_connect"),
            path("connect/<slug:slug>/", page(views.connect), name="connections_connect_provider"),
            path("oauth/callback/", page(views.oauth_callback), name="connections_oauth_callback"),
            path("expiry/", page(expiry_page.show), name="connections_expiry"),
            path(
                "<uuid:object_id>/account/", page(account_views.ask), name="connections_integration_account"
            ),
            path("<uuid:object_id>/expiry/", page(expiry_page.enter), name="connections_integration_expiry"),
            # Before the base's own page of the same name: the guided form edits an integration.
            path("<uuid:object_id>/edit/", page(views.edit), name="connections_integration_edit"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(connect_views.gallery_url())

    def kept_at(self, row: Integration) -> str:
        """The page of the part of the hub that keeps ``row``."""
        return keeper_url(row)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Removing one is the deed *Disconnect*, which says what goes with it."""
        return False

    def page_context(self, request: HttpRequest, row: Integration) -> dict[str, Any]:
        provider = provider_of(row)
        return {
            "provider": provider,
            "scheme": provider.scheme(row.auth_key).label if provider else row.auth_key,
            "account_by": provider.scheme(row.auth_key).account_by if provider else "",
            "needs_sign_in": is_sign_in_integration(row) and connect_views.has_no_token(row),
            "shown_settings": _shown_settings(row),
            "edit_url": self.url("edit", row.pk),
            "rate": row.rate if provider else None,
            "expiry": expiry_page.of(row),
            "remedy": self._remedy(request, row) if row.test_ok is False and provider else None,
        }

    def _remedy(self, request: HttpRequest, row: Integration) -> dict[str, str] | None:
        """Return the button beside a failed test: what helps by its kind, where the user may do it."""
        if row.test_kind in PASSES_BY_ITSELF:
            test = {"url": self.url("do", row.pk, "test"), "label": "Test again", "icon": "network_check"}
            return test if may(request.user, row.organization, Role.OPERATOR) else None
        if row.test_kind == "bug" or not may(request.user, row.organization, Role.ADMIN):
            return None
        if row.test_kind == "auth" and is_sign_in_integration(row):
            url = self.url("do", row.pk, "sign-in")
            return {"url": url, "label": connect_views.sign_in_words(row), "icon": "login"}
        key = row.test_kind in ("auth", "keyring")
        label = "Enter the credential again" if key else "Check the settings"
        return {"link": self.url("edit", row.pk), "label": label, "icon": "key" if key else "tune"}

    def do_test(self, request: HttpRequest, row: Integration) -> Told:
        """Run the connection test and tell its outcome."""
        outcome = run_connection_test(row)
        if outcome.ok:
            return Told(f"{outcome.message} It answered within {outcome.latency_ms} ms.")
        return Told(advised(outcome.message, outcome.hint), ok=False)

    def do_pause(self, request: HttpRequest, row: Integration) -> Told:
        """Hold the queue."""
        row.pause(f"Paused by {request.user}.")
        connect_views.tell_change(request, row, "Paused by {who}: its queue waits.")
        return Told(f"{row} is paused. Its queue waits; nothing is dropped.")

    def do_resume(self, request: HttpRequest, row: Integration) -> Told:
        """Let the queue move."""
        row.resume()
        connect_views.tell_change(request, row, "Resumed by {who}: its queue moves.")
        return Told(f"{row} is active again; its queue moves.")

    def do_sign_in(self, request: HttpRequest, row: Integration) -> Told:
        """Go to the provider's sign-in page."""
        return connect_views.start_sign_in(request, row)

    def do_disconnect(self, request: HttpRequest, row: Integration) -> Told:
        """Remove the integration and what belongs to it."""
        name = str(row)
        row.delete()
        return Told(f"{name} is disconnected and removed.", url=self.url("changelist"))

    @display(description="Integration", ordering="name")
    def shown_name(self, row: Integration) -> SafeString:
        provider = provider_of(row)
        name, colour = (provider.name, provider.colour) if provider else (row.provider_slug, "#5b6472")
        return format_html(
            '<span class="ic-row" style="flex-wrap: nowrap">{}<span>{}<br>'
            '<span class="ic-dim ic-small">{}</span></span></span>',
            logo(name, colour),
            row.name,
            name,
        )

    @display(description="State", ordering="status")
    def shown_status(self, row: Integration) -> SafeString:
        if row.status == Status.ACTIVE and row.circuit != Circuit.CLOSED:
            return state_badge(row.circuit, "Circuit open" if row.circuit == Circuit.OPEN else "Trying again")
        return state_badge(row.status, Status(row.status).label)

    @display(description="Last test", ordering="tested_at")
    def shown_test(self, row: Integration) -> SafeString:
        if row.test_ok is None:
            return badge("Not tested", "mute", "help")
        words = badge("Passed", "good") if row.test_ok else badge("Failed", "bad")
        return format_html('{} <span class="ic-dim ic-small">{}</span>', words, moment(row.tested_at))

    @display(description="Sends to")
    def shown_mode(self, row: Integration) -> SafeString:
        return badge("Sandbox", "sandbox", "science") if row.sandbox else badge("Live", "mute", "public")

    @display(description="Account")
    def shown_account(self, row: Integration) -> str:
        return row.account_label or "–"


def provider_of(row: Integration) -> Any:
    """Return the provider, or None where its code is gone."""
    return providers().get(row.provider_slug)


def keeper_url(row: Integration) -> str:
    """Return the page of the part of the hub that keeps ``row``; empty: people connected it."""
    if row.provider_slug not in managed_slugs():
        return ""
    return reverse(f"admin:{row.provider.managed_by}_of", args=[row.pk])


def is_sign_in_integration(row: Integration) -> bool:
    """Whether this integration is connected by signing in at the provider."""
    provider = provider_of(row)
    return provider is not None and is_sign_in(provider.scheme(row.auth_key))


def _shown_settings(row: Integration) -> list[tuple[str, Any]]:
    provider = provider_of(row)
    if provider is None:
        return []
    fields = [declared for declared in provider.fields_for(row.auth_key) if not declared.secret]
    shown = []
    for declared in fields:
        value = row.settings.get(declared.name, declared.default)
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if value not in (None, "", []):
            shown.append((declared.label, ", ".join(map(str, value)) if isinstance(value, list) else value))
    return shown
