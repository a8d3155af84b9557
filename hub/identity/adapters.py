"""What django-allauth asks the hub: who may come in, whose address is known, where secrets are kept."""

from typing import Any

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.forms import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from hub.accounts.access import may_enter
from hub.identity import door, invitations
from hub.identity.models import Invitation, SealedText
from hub.lib.inbound import client_address
from hub.lib.keyring import KeyringError

NOBODYS = "This account belongs to no organization. Ask an admin of yours to invite you."


class AccountAdapter(DefaultAccountAdapter):
    """Accounts are made by invitations alone; who belongs nowhere stays outside."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """allauth's own form is closed: an invitation has a page of its own."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Passwords are counted by axes, in the database, for all processes together."""

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **options: Any) -> HttpResponse | None:
        """Turn away members of nothing, unless they come to accept an invitation."""
        if response := super().pre_login(request, user, **options):
            return response
        if may_enter(user) or invitations.brought(request):
            return None
        messages.error(request, NOBODYS)
        return HttpResponseRedirect(reverse("admin:login"))

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Tell somebody whose account was switched off."""
        messages.error(request, "This account is switched off. Ask an admin of your organization.")
        return HttpResponseRedirect(reverse("admin:login"))

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Return the invitation that was brought along, else home."""
        return invitations.brought_url(request) or reverse("admin:index")

    def get_client_ip(self, request: HttpRequest) -> str:
        """The caller's address; only a trusted proxy is believed."""
        return client_address(request)

    def send_notification_mail(self, *args: Any, **options: Any) -> None:
        """The audit log tells of changes; mail is no must."""


class SocialAdapter(DefaultSocialAccountAdapter):
    """Other identity providers: linked by an address only where both sides verified it."""

    def get_requests_session(self) -> requests.Session:
        """allauth's requests leave by the hub's door."""
        return door.session()

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[Any]:
        """Only what the operator set in the environment; nothing from the database."""
        configured = super().list_apps(request, provider, client_id)
        return [app for app in configured if app.pk is None]

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[Any, str] | None:
        """Return the account that verified an address which the provider verified too, else None."""
        for given in sociallogin.email_addresses:
            if not given.verified or not self.can_authenticate_by_email(sociallogin, given.email):
                continue
            known = EmailAddress.objects.filter(email__iexact=given.email, verified=True)
            found = list(known.select_related("user")[:2])
            if len(found) == 1:
                return found[0].user, given.email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """A stranger gets an account where the invitation is for an address that the provider verified."""
        if sociallogin.is_existing or sociallogin.state.get("process") == "connect":
            return
        invitation = invitations.brought(request)
        if invitation and invitation.email.lower() in verified_emails(sociallogin):
            return
        messages.error(request, unfitting(sociallogin, invitation) if invitation else stranger(sociallogin))
        raise ImmediateHttpResponse(HttpResponseRedirect(way_back(request)))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Whoever came this far brings a fitting invitation."""
        return bool(invitations.brought(request))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: Any) -> Any:
        """The user name is the address: that is unique, and known to who invites."""
        user = super().populate_user(request, sociallogin, data)
        if invitation := invitations.brought(request):
            user.username = invitations.free_username(invitation.email)
            user.email = invitation.email
        return user

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, **more: Any
    ) -> None:
        """Say what went wrong where it began: at signing in, at an invitation, or at linking an account."""
        name = getattr(provider, "name", "the provider")
        cancelled, linking = error == AuthError.CANCELLED, request.user.is_authenticated
        told = {
            (True, True): f"You cancelled it at {name}, so no account was linked.",
            (True, False): f"You cancelled signing in at {name}, so nobody was signed in.",
            (False, True): f"{name} did not say who you are there, so no account was linked. Try again.",
            (False, False): f"{name} did not sign you in. Try again, or use your password.",
        }
        level = messages.INFO if cancelled else messages.ERROR
        messages.add_message(request, level, told[cancelled, linking])
        raise ImmediateHttpResponse(HttpResponseRedirect(way_back(request)))


class FactorAdapter(DefaultMFAAdapter):
    """Keeps the secrets of second factors encrypted, in a column that key rotation knows."""

    def encrypt(self, text: str) -> str:
        """Return the id of the row that holds ``text``."""
        return str(SealedText.objects.create(text=text).pk)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the text behind an id; raise ValidationError where its encryption key is gone."""
        try:
            return str(SealedText.objects.get(pk=encrypted_text).text)
        except (KeyringError, SealedText.DoesNotExist):
            raise ValidationError(
                "The hub cannot open this second factor, because its encryption key is missing. "
                "Ask whoever runs the hub."
            ) from None

    def _get_site_name(self) -> str:
        return "Interchange"


@receiver(post_delete, sender=Authenticator, dispatch_uid="sealed-texts-go-with-their-factor")
def forget_sealed(instance: Authenticator, **kwargs: Any) -> None:
    """Delete what ``FactorAdapter.encrypt`` kept for a factor that is gone."""
    ids = [instance.data.get("secret"), instance.data.get("seed")]
    SealedText.objects.filter(pk__in=[each for each in ids if each]).delete()


def way_back(request: HttpRequest) -> str:
    """Return the page from which somebody went to an identity provider."""
    if request.user.is_authenticated:
        return reverse("mfa_index")
    return invitations.brought_url(request) or reverse("admin:login")


def verified_emails(sociallogin: SocialLogin) -> set[str]:
    """Return the addresses that the provider verified, in small letters."""
    return {each.email.lower() for each in sociallogin.email_addresses if each.verified}


def stranger(sociallogin: SocialLogin) -> str:
    """Return what somebody is told whom no account is known for."""
    name = sociallogin.provider.name
    emails = sorted(verified_emails(sociallogin))
    if not emails:
        return (
            f"{name} does not say that it verified your address, so the hub does not know you. Sign in "
            f"with your password and connect {name} under “Sign-in & security”."
        )
    return (
        f"No account is linked to {emails[0]} at {name}. Ask an admin for an invitation; if you have an "
        f"account, sign in with your password and connect {name} under “Sign-in & security”."
    )


def unfitting(sociallogin: SocialLogin, invitation: Invitation) -> str:
    """Return what somebody is told whose invitation is not for the address that the provider verified."""
    name, emails = sociallogin.provider.name, sorted(verified_emails(sociallogin))
    if not emails:
        return (
            f"{name} does not say that it verified your address, so it cannot show that this invitation is "
            "yours. Choose a password here instead."
        )
    return (
        f"{name} knows you as {emails[0]}, but this invitation is for {invitation.email}. Use the account of "
        "that address there, or choose a password here."
    )
