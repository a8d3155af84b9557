"""Connecting a service: the gallery, the guided form, and the way back from a provider's sign-in."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from hub.accounts.access import organizations_for
from hub.accounts.models import Organization, Role
from hub.accounts.pages import HubAdmin, Told
from hub.connections import oauth, switching
from hub.connections.check import run_connection_test
from hub.connections.forms import GuidedForm, LimitsForm, is_sign_in
from hub.connections.models import Credential, Integration, Status
from hub.connections.signals import changed_by_hand
from integrations.base.errors import IntegrationError
from integrations.base.fields import FieldErrors
from integrations.base.provider import CATEGORIES, Provider
from integrations.base.registry import providers


def gallery_url() -> str:
    """Return the address of the gallery."""
    return reverse("admin:connections_connect")


def redirect_uri() -> str:
    """Return the address that providers send people back to, as it must be registered there."""
    return settings.HUB.url + reverse("admin:connections_oauth_callback")


def gallery(site: HubAdmin, request: HttpRequest) -> HttpResponse:
    """Every provider as a card, by category and search."""
    mine = _organizations(request)
    connected = Counter(
        Integration.objects.filter(organization__in=mine).values_list("provider_slug", flat=True)
    )
    cards = [_card(provider, connected[slug]) for slug, provider in providers().items()]
    used = {card["provider"].category for card in cards}
    categories = [(key, label) for key, label in CATEGORIES.items() if key in used]
    return site.render(
        request, "connections/gallery.html", title="Connect a service", cards=cards, categories=categories
    )


def connect(site: HubAdmin, request: HttpRequest, slug: str) -> HttpResponse:
    """The guided form for a new integration."""
    mine = _organizations(request)
    provider = providers().get(slug)
    if provider is None:
        raise Http404(f"There is no provider {slug}.")
    organization = _chosen(request, mine)
    if request.method == "POST":
        form = GuidedForm.posted(provider, request.POST, organization)
        limits = LimitsForm(request.POST, provider=provider)
        saved = save_form(form, limits, organization)
        if saved is not None:
            tell_change(request, saved, "{who} set it up.")
            return after_saving(request, saved)
    else:
        form, limits = GuidedForm.empty(provider, None, organization), LimitsForm(provider=provider)
    return _show(
        site,
        request,
        form,
        limits,
        title=f"Connect {provider.name}",
        organizations=mine if len(mine) > 1 else [],
        chosen_organization=organization.pk if organization else None,
        back_url=gallery_url(),
    )


def edit(site: HubAdmin, request: HttpRequest, object_id: Any) -> HttpResponse:
    """The same form for an integration that is there; empty secrets keep what is saved."""
    row: Integration = site.row(request, object_id, Role.ADMIN)
    provider = providers().get(row.provider_slug)
    if provider is None:
        raise Http404(f"The code of the provider {row.provider_slug} is not installed.")
    if request.method == "POST":
        form = GuidedForm.posted(provider, request.POST, row.organization, row)
        limits = LimitsForm(request.POST, instance=Integration.objects.get(pk=row.pk), provider=provider)
        if limits.is_valid() and switching.parked_form(row, form, request.user, request.POST):
            return HttpResponseRedirect(site.url("account", row.pk))
        saved = save_form(form, limits, row.organization)
        if saved is not None:
            tell_change(request, saved, "{who} changed the settings or the credential.")
            return after_saving(request, saved)
    else:
        form, limits = GuidedForm.empty(provider, row), LimitsForm(instance=row, provider=provider)
    return _show(site, request, form, limits, row=row, back_url=site.url("change", row.pk))


def oauth_callback(site: HubAdmin, request: HttpRequest) -> HttpResponse:
    """The provider sends the admin back here, with a code or with the reason for a refusal."""
    _organizations(request)
    try:
        integration, tokens = oauth.redeem(request.user, redirect_uri(), request.GET)
    except oauth.OAuthError as error:
        messages.error(request, str(error))
        about = error.integration_id
        # Somebody else's sign-in may be about an integration that this user knows nothing of.
        known = about is not None and site.get_queryset(request).filter(pk=about).exists()
        return HttpResponseRedirect(site.url("change", about) if known else site.url("changelist"))
    if switching.parked_tokens(integration, tokens, request.user):
        return HttpResponseRedirect(site.url("account", integration.pk))
    oauth.store(integration, tokens)
    tell_change(request, integration, "{who} signed in at the provider.")
    return after_saving(request, integration, signed_in=True)


def start_sign_in(request: HttpRequest, row: Integration) -> Told:
    """Return the way to the provider's sign-in page, or what is missing for it."""
    try:
        return Told("", url=oauth.begin(row, request.user, redirect_uri()))
    except (oauth.OAuthError, IntegrationError) as error:
        return Told(str(error), ok=False)


def sign_in_words(row: Integration) -> str:
    """Return what the button to the provider's sign-in page says."""
    return f"Connect with {row.provider.name}" if has_no_token(row) else "Sign in again"


def tell_change(request: HttpRequest, row: Integration, what: str) -> None:
    """Let the log say what somebody did to ``row``; ``what`` holds ``{who}``."""
    changed_by_hand.send(Integration, integration=row, message=what.format(who=request.user))


def has_no_token(saved: Integration) -> bool:
    """Whether somebody must sign in at the provider before anything can be sent."""
    credential = Credential.objects.filter(integration=saved).first()
    tokens = (credential.tokens or {}) if credential else {}
    return saved.status == Status.RECONNECT or not tokens.get("access_token")


def save_form(form: GuidedForm, limits: LimitsForm, organization: Organization | None) -> Integration | None:
    """Save and return the integration; None with ``form.errors`` filled where something is wrong."""
    if not limits.is_valid():
        form.errors["limits"] = "One of the limits is not accepted; see “Limits, retries and other details”."
    if form.errors or organization is None:
        return None
    try:
        with transaction.atomic():
            saved = form.save(organization, form.integration)
            limits.apply(saved)
    except FieldErrors as error:
        form.errors.update(error.errors)
        return None
    return saved


def after_saving(request: HttpRequest, saved: Integration, *, signed_in: bool = False) -> HttpResponse:
    """Test at once and go on: to the page if it works, back to the form if it does not."""
    page = reverse("admin:connections_integration_change", args=[saved.pk])
    if is_sign_in(saved.provider.scheme(saved.auth_key)) and not signed_in and has_no_token(saved):
        told = start_sign_in(request, saved)
        if told.ok:
            return HttpResponseRedirect(told.url)
        messages.error(request, told.text)
        return HttpResponseRedirect(page)
    outcome = run_connection_test(saved)
    if outcome.ok:
        # What the test found stands on the page itself.
        messages.success(request, f"{saved} is connected.")
        return HttpResponseRedirect(page)
    # The page itself tells what the test found.
    messages.warning(request, "Saved, but the connection does not work yet.")
    edit_page = reverse("admin:connections_integration_edit", args=[saved.pk])
    return HttpResponseRedirect(page if signed_in else edit_page)


def _show(
    site: HubAdmin, request: HttpRequest, form: GuidedForm, limits: LimitsForm, **context: Any
) -> HttpResponse:
    provider = form.provider
    row = context.pop("row", None)
    own = {declared.name for declared in provider.fields_for(form.auth_key)} | {"name", "slug"}
    response = site.render(
        request,
        "connections/form.html",
        row,
        form=form,
        limits=limits,
        provider=provider,
        instructions=_instructions(provider),
        redirect_uri=redirect_uri(),
        other_errors=[text for name, text in form.errors.items() if name not in own],
        **context,
    )
    response.status_code = 422 if form.errors else 200
    return response


def _card(provider: Provider, connected: int) -> dict[str, Any]:
    category = CATEGORIES.get(provider.category, provider.category)
    words = f"{provider.name} {provider.slug} {provider.summary} {category}".lower()
    return {
        "provider": provider,
        "category": category,
        "words": words,
        "connected": connected,
        "connected_words": "Connected" if connected == 1 else f"{connected} connected",
        "url": reverse("admin:connections_connect_provider", args=[provider.slug]),
    }


def _instructions(provider: Provider) -> str:
    try:
        return provider.instructions
    except FileNotFoundError:
        return ""


def _organizations(request: HttpRequest) -> list[Organization]:
    """Return the organizations in which the user may connect; PermissionDenied where there is none."""
    mine = list(organizations_for(request.user, Role.ADMIN).order_by("name"))
    if not mine:
        raise PermissionDenied
    return mine


def _chosen(request: HttpRequest, mine: list[Organization]) -> Organization | None:
    wanted = request.POST.get("organization", "")
    if wanted:
        return next((entry for entry in mine if str(entry.pk) == wanted), None)
    return mine[0] if len(mine) == 1 or request.method != "POST" else None
