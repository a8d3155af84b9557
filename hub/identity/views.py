"""Pages of signing in, of accepting an invitation, and of what goes wrong at an identity provider."""

from collections.abc import Callable
from typing import Any

import requests
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.views import LoginView
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from hub.accounts.access import may_enter
from hub.identity import factors, invitations
from hub.identity.adapters import way_back
from hub.identity.forms import RegisterForm
from hub.identity.models import Invitation


class SignInView(LoginView):
    """The admin's sign-in: password, passkey, identity providers."""

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """Somebody who is signed in, and may be, goes on."""
        if request.method == "GET" and may_enter(request.user):
            return HttpResponseRedirect(self.get_success_url() or reverse("admin:index"))
        return super().dispatch(request, *args, **options)

    def form_invalid(self, form: Any) -> HttpResponse:
        """429 for somebody who has to wait."""
        response = super().form_invalid(form)
        response.status_code = 429 if form.locked_out else response.status_code
        return response


sign_in = SignInView.as_view()


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """GET: what one is invited to, and how to accept. POST: accept, with the account at hand or a new one."""
    try:
        found = invitations.find(secret)
        invitations.bring(request, secret)
        known = not request.user.is_authenticated and invitations.account_of(found) is not None
        form = RegisterForm(found, request.POST if request.method == "POST" and not known else None)
        if request.method == "POST" and request.user.is_authenticated:
            return _join(request, found)
        if form.is_valid():
            return _register(request, found, form)
    except invitations.InvitationError as error:
        return render(request, "identity/invitation_gone.html", {"why": str(error)}, status=410)
    context = {"invitation": found, "form": form, "known": known, "here": request.path}
    return render(request, "identity/invitation.html", context, status=400 if form.errors else 200)


def _join(request: HttpRequest, found: Invitation) -> HttpResponse:
    """The account that is signed in becomes a member."""
    invitations.accept(found, request.user)  # type: ignore[arg-type]
    if str(getattr(request.user, "email", "")).lower() == found.email:
        invitations.note_email(request.user, found)
    return _welcome(request, found)


def _register(request: HttpRequest, found: Invitation, form: RegisterForm) -> HttpResponse:
    user = invitations.register(found, form.cleaned_data["name"], form.cleaned_data["password"])
    record_authentication(request, user, "password", username=user.get_username())
    perform_login(request, Login(user=user))
    return _welcome(request, found)


def _welcome(request: HttpRequest, found: Invitation) -> HttpResponse:
    invitations.leave(request)
    messages.success(request, f"Welcome to {found.organization}.")
    demanding = factors.demanded_by(request.user)
    return HttpResponseRedirect(reverse("mfa_index" if demanding else "admin:index"))


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Sign out, and stay with the invitation that one came with."""
    back = invitations.brought_url(request)
    secret = request.session.get(invitations.BROUGHT)
    logout(request)
    if secret:
        invitations.bring(request, secret)
    return HttpResponseRedirect(back or reverse("admin:login"))


@login_required
@require_POST
def disconnect(request: HttpRequest, number: int) -> HttpResponse:
    """Unlink an identity provider, unless it is the only way in."""
    mine = SocialAccount.objects.filter(user_id=request.user.pk)
    found = mine.filter(pk=number).first()
    if found is None:
        messages.error(request, "That account is not linked to yours.")
    elif request.user.is_authenticated and not request.user.has_usable_password() and mine.count() == 1:
        messages.error(request, "Choose a password first: without this link you could not sign in any more.")
    else:
        found.delete()
        messages.success(request, "The account is no longer linked to yours.")
    return HttpResponseRedirect(reverse("mfa_index"))


def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let a provider that does not answer end on the page where it began, with a sentence."""

    def safe(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except (requests.RequestException, OAuth2Error, KeyError, ValueError):
            linking = request.user.is_authenticated
            helps = (
                "No account was linked; try again later." if linking else "Try again, or use your password."
            )
            messages.error(request, f"The identity provider did not answer as it should. {helps}")
            return HttpResponseRedirect(way_back(request))

    return safe
