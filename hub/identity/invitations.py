"""Inviting people: the link, its mail, and what becomes of it."""

import hashlib
import logging
import secrets
import smtplib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Organization, Role
from hub.identity.models import Invitation

logger = logging.getLogger(__name__)
VALID_FOR = timedelta(days=7)
#: The session's entry for the link that somebody came with.
BROUGHT = "invitation"


class InvitationError(Exception):
    """The invitation cannot be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A new invitation, its link, and whether the link was mailed."""

    invitation: Invitation
    url: str
    mailed: bool


def invite(organization: Organization, email: str, role: str, by: Any) -> Sent:
    """Make an invitation; an open one to the same address is withdrawn. Mails it where it can."""
    secret, now = secrets.token_urlsafe(32), timezone.now()
    with transaction.atomic():
        for former in open_ones().filter(organization=organization, email__iexact=email):
            withdraw(former)
        made = Invitation.objects.create(
            organization=organization,
            email=email.strip().lower(),
            role=role,
            digest=digest(secret),
            expires_at=now + VALID_FOR,
            invited_by=by if getattr(by, "pk", None) else None,
        )
    url = settings.HUB.url + reverse("invitation", args=[secret])
    return Sent(made, url, _mail(made, url))


def open_ones() -> Any:
    """Return the invitations that can still be accepted."""
    waiting = Invitation.objects.filter(accepted_at__isnull=True, withdrawn_at__isnull=True)
    return waiting.filter(expires_at__gt=timezone.now())


def find(secret: str) -> Invitation:
    """Return the open invitation behind a link's secret; raise InvitationError, saying why there is none."""
    found = Invitation.objects.select_related("organization").filter(digest=digest(secret)).first()
    state = found.state(timezone.now()) if found else "unknown"
    if found is None or state != "open":
        raise InvitationError(_WHY[state])
    return found


_WHY = {
    "unknown": "There is no such invitation. Check that the link is complete, or ask for a new one.",
    "accepted": "This invitation was accepted already. Sign in with the account that accepted it.",
    "withdrawn": "This invitation was withdrawn. Ask an admin of the organization for a new one.",
    "expired": "This invitation has expired. Ask an admin of the organization for a new one.",
}


def accept(invitation: Invitation, user: AbstractBaseUser) -> Membership:
    """Make ``user`` a member, once; raise InvitationError where somebody was faster.

    Whoever is a member already keeps the higher role.
    """
    with transaction.atomic():
        taken = open_ones().filter(pk=invitation.pk).select_for_update().first()
        if taken is None:
            raise InvitationError(_WHY["accepted"])
        taken.accepted_at, taken.accepted_by_id = timezone.now(), user.pk
        taken.save(update_fields=["accepted_at", "accepted_by", "updated_at"])
        member, _ = Membership.objects.get_or_create(
            user_id=user.pk, organization_id=taken.organization_id, defaults={"role": taken.role}
        )
        if Role(taken.role).covers(Role(member.role)) and member.role != taken.role:
            member.role = taken.role
            member.save(update_fields=["role", "updated_at"])
    return member


def register(invitation: Invitation, name: str, password: str) -> Any:
    """Make the account of somebody who is invited, and accept; return the user.

    ``password`` was validated. Raise InvitationError where the address has an account.
    """
    if account_of(invitation) is not None:
        raise InvitationError(
            f"{invitation.email} has an account already. Sign in with it, then open the link again."
        )
    with transaction.atomic():
        first, _, last = name.strip().partition(" ")
        user = get_user_model()._default_manager.create_user(
            free_username(invitation.email),
            email=invitation.email,
            password=password,
            first_name=first[:150],
            last_name=last[:150],
        )
        accept(invitation, user)
        note_email(user, invitation)
    return user


def note_email(user: Any, invitation: Invitation) -> None:
    """Keep the address; who has a link that was mailed there has shown that they read it."""
    if invitation.mailed_at is None:
        return
    mine = EmailAddress.objects.filter(email__iexact=invitation.email)
    if mine.exclude(user=user).filter(verified=True).exists():
        return
    primary = not EmailAddress.objects.filter(user=user, primary=True).exists()
    known, _ = EmailAddress.objects.get_or_create(
        user=user, email=invitation.email, defaults={"primary": primary, "verified": True}
    )
    if not known.verified:
        known.verified = True
        known.save(update_fields=["verified"])


def withdraw(invitation: Invitation) -> None:
    """Make the link useless."""
    invitation.withdrawn_at = timezone.now()
    invitation.save(update_fields=["withdrawn_at", "updated_at"])


def account_of(invitation: Invitation) -> Any:
    """Return the account of the invited address, or None."""
    users = get_user_model()._default_manager
    named = Q(email__iexact=invitation.email) | Q(username__iexact=invitation.email)
    return users.filter(named).order_by("pk").first()


def free_username(email: str) -> str:
    """Return a user name for an address: the address, or with a number where that is taken."""
    users, name = get_user_model()._default_manager, email[:140]
    taken = set(users.filter(username__istartswith=name).values_list("username", flat=True))
    lowered = {each.lower() for each in taken}
    return next(each for each in _names(name) if each.lower() not in lowered)


def _names(name: str) -> Any:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def bring(request: HttpRequest, secret: str) -> None:
    """Remember the link while its owner signs in."""
    request.session[BROUGHT] = secret


def leave(request: HttpRequest) -> None:
    """Forget the link."""
    request.session.pop(BROUGHT, None)


def brought(request: HttpRequest) -> Invitation | None:
    """Return the open invitation whose link the visitor came with, or None."""
    session = getattr(request, "session", None)
    secret = session.get(BROUGHT) if session is not None else getattr(request, "invitation_secret", None)
    try:
        return find(secret) if secret else None
    except InvitationError:
        return None


def brought_url(request: HttpRequest) -> str:
    """Return the address of the page of the link that the visitor came with, or an empty text."""
    return reverse("invitation", args=[request.session[BROUGHT]]) if brought(request) else ""


def digest(secret: str) -> str:
    """Return what is kept of a link's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _mail(invitation: Invitation, url: str) -> bool:
    if not settings.HUB.sends_mail:
        return False
    who = invitation.invited_by.get_username() if invitation.invited_by else "An admin"
    subject = " ".join(f"[Interchange] Invitation to {invitation.organization.name}".split())[:200]
    body = (
        f"{who} invites you to {invitation.organization.name} on Interchange.\n\n{url}\n\n"
        f"The link is good once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC. "
        "If you do not know why you get it, ignore it.\n"
    )
    try:
        EmailMessage(subject, body, None, [invitation.email]).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        logger.warning("The invitation of %s could not be mailed: %s", invitation.organization, error)
        return False
    invitation.mailed_at = timezone.now()
    invitation.save(update_fields=["mailed_at"])
    return True
