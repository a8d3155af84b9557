"""Signing in without pages: by password, by a second factor, by what an identity provider vouches for."""

from typing import Any

import requests
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core import signing
from django.db import transaction
from django.forms import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from hub.identity import factors, invitations, lockouts
from hub.identity.adapters import stranger, verified_emails
from hub.identity.models import Invitation

SALT = "hub.identity.challenge"
#: Seconds in which the second factor is to follow.
PATIENCE = 300


class SignInError(Exception):
    """Nobody was signed in; ``status`` is what the API answers, ``wait`` the seconds to wait, or 0."""

    def __init__(self, message: str, status: int = 401, wait: int = 0):
        super().__init__(message)
        self.status, self.wait = status, wait


def by_password(request: HttpRequest, name: str, password: str) -> Any:
    """Return the user whose name (or e-mail) and password these are; raise SignInError.

    Wrong passwords are counted together with those of the sign-in page.
    """
    credentials = {"username": name.strip(), "password": password}
    if "@" in name:
        credentials["email"] = name.strip()
    user = authenticate(request, **credentials)
    if user is not None:
        return user
    if getattr(request, "axes_locked_out", False):
        wait = lockouts.until(request, name) - timezone.now()
        raise SignInError(lockouts.sentence(request, name), 429, max(1, int(wait.total_seconds())))
    raise SignInError("This name and password do not belong together.")


def challenge(user: Any) -> str:
    """Return what proves, for five minutes, that the first factor was right; empty where one is enough."""
    if not factors.has_second_factor(user):
        return ""
    return signing.dumps({"user": user.pk, "hash": user.get_session_auth_hash()[:16]}, salt=SALT)


def kinds(user: Any) -> list[str]:
    """Return the second factors that can be given as a code: totp, recovery_codes."""
    given = Authenticator.objects.filter(user_id=user.pk).exclude(type=Authenticator.Type.WEBAUTHN)
    return sorted(str(each) for each in given.values_list("type", flat=True))


def by_code(request: HttpRequest, text: str, code: str) -> Any:
    """Return the user of a challenge whose second factor ``code`` is; raise SignInError."""
    try:
        claims = signing.loads(text, salt=SALT, max_age=PATIENCE)
    except signing.BadSignature:
        raise SignInError("The challenge is wrong or older than five minutes. Sign in again.") from None
    user = get_user_model()._default_manager.filter(pk=claims["user"], is_active=True).first()
    if user is None or user.get_session_auth_hash()[:16] != claims["hash"]:
        raise SignInError("The challenge holds no longer. Sign in again.")
    with context.request_context(request):
        form = AuthenticateForm({"code": code}, user=user)
        if not form.is_valid():
            message = str(form.errors["code"][0])
            limited = "too many" in message.lower()
            raise SignInError(message, 429 if limited else 401, PATIENCE if limited else 0)
    form.authenticator.record_usage()
    return user


def noted(request: HttpRequest, user: Any) -> None:
    """Tell whoever listens (the count of wrong passwords, the last sign-in) that somebody came in."""
    user_logged_in.send(sender=user.__class__, request=request, user=user)


def by_provider(request: HttpRequest, provider: str, token: dict[str, str], secret: str = "") -> Any:
    """Return the user whom ``provider`` vouches for with ``token``; raise SignInError.

    Somebody without an account gets one where ``secret`` is of an invitation for an address that the
    provider verified.
    """
    with context.request_context(request):
        login = _verified(request, provider, token)
        login.lookup()
        if login.is_existing:
            return _known(request, login)
        return _invited(request, login, secret)


def _verified(request: HttpRequest, name: str, token: dict[str, str]) -> SocialLogin:
    try:
        provider = get_adapter().get_provider(request, name)
    except SocialApp.DoesNotExist:
        raise SignInError(
            f"Signing in with {name.capitalize()} is not set up here (HUB_{name.upper()}_CLIENT_ID).", 404
        ) from None
    try:
        return provider.verify_token(request, {**token, "client_id": provider.app.client_id})
    except (ValidationError, requests.RequestException, KeyError, ValueError):
        raise SignInError(f"{provider.name} does not vouch for this token.") from None


def _known(request: HttpRequest, login: SocialLogin) -> Any:
    if not login.user.is_active:
        raise SignInError("This account is switched off. Ask an admin of your organization.", 403)
    if login._did_authenticate_by_email:
        login.connect(request, login.user)
    return login.user


def _invited(request: HttpRequest, login: SocialLogin, secret: str) -> Any:
    try:
        invitation = invitations.find(secret) if secret else None
    except invitations.InvitationError as error:
        raise SignInError(str(error), 410) from None
    if invitation is None or invitation.email not in verified_emails(login):
        raise SignInError(stranger(login), 403)
    if invitations.account_of(invitation) is not None:
        raise SignInError(f"{invitation.email} has an account already: sign in and link it.", 409)
    return _made(request, login, invitation)


def _made(request: HttpRequest, login: SocialLogin, invitation: Invitation) -> Any:
    """Make the account of somebody invited whom the provider knows."""
    with transaction.atomic():
        user = login.user
        user.username = invitations.free_username(invitation.email)
        user.email = invitation.email
        user.set_unusable_password()
        user.save()
        EmailAddress.objects.create(user=user, email=invitation.email, primary=True, verified=True)
        login.connect(request, user)
        invitations.accept(invitation, user)
    return user
