"""Invitations: who may make them, what their link does, and when it does nothing."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from hub.identity import invitations
from hub.identity.models import Invitation
from tests import factories as make
from tests.hub.identity.conftest import link_in

GOOD = {"name": "Ann Ondaatje", "password": "correct horse battery"}


@pytest.fixture
def admin(member: Membership) -> Client:
    """The admin's browser."""
    client = Client()
    client.force_login(member.user)
    return client


def invited(admin: Client, member: Membership, role: str = "operator", email: str = "ann@example.org") -> str:
    """Invite somebody; return the link's path."""
    data = {"organization": member.organization.pk, "email": email, "role": role}
    answer = admin.post(reverse("admin:identity_invitation_add"), data)
    assert "no-store" in answer["Cache-Control"]
    return link_in(answer.text)


def test_the_link_makes_an_account_and_a_member_once(admin: Client, member: Membership) -> None:
    link = invited(admin, member)
    ann = Client()
    assert member.organization.name in ann.get(link).text
    easy = ann.post(link, {**GOOD, "password": "password"})
    assert "too common" in easy.text
    assert ann.post(link, GOOD)["Location"] == reverse("admin:index")
    assert ann.get(reverse("admin:index")).status_code == 200
    user = get_user_model().objects.get(email="ann@example.org")
    assert (user.username, user.first_name, user.check_password(GOOD["password"])) == (
        "ann@example.org",
        "Ann",
        True,
    )
    assert user.memberships.get().role == "operator"
    again = Client().post(link, GOOD)
    assert again.status_code == 410
    assert "accepted already" in again.text


def test_the_link_is_shown_once_and_kept_nowhere(admin: Client, member: Membership) -> None:
    secret = invited(admin, member).rstrip("/").rpartition("/")[2]
    row = Invitation.objects.get()
    assert secret not in admin.get(reverse("admin:identity_invitation_change", args=[row.pk])).text
    assert secret not in str(Invitation.objects.values().get())


def test_an_account_joins_after_signing_in(admin: Client, member: Membership) -> None:
    ann = make.UserFactory(email="ann@example.org")
    link = invited(admin, member)
    client = Client()
    assert "There is an account for this address" in client.get(link).text
    assert "There is an account for this address" in client.post(link, GOOD).text
    answer = client.post(f"/account/login/?next={link}", {"username": ann.username, "password": "password"})
    assert answer["Location"] == link
    assert client.post(link)["Location"] == reverse("admin:index")
    assert ann.memberships.get().organization == member.organization


def test_a_member_keeps_the_higher_role(admin: Client, member: Membership) -> None:
    operator = make.MembershipFactory(organization=member.organization, role=Role.OPERATOR)
    for role, kept in (("viewer", "operator"), ("admin", "admin")):
        sent = invitations.invite(member.organization, "other@example.org", role, member.user)
        invitations.accept(sent.invitation, operator.user)
        operator.refresh_from_db()
        assert operator.role == kept


@pytest.mark.parametrize("end", ["withdrawn", "expired", "renewed"])
def test_a_link_that_ended_opens_nothing(admin: Client, member: Membership, end: str) -> None:
    link = invited(admin, member)
    row = Invitation.objects.get()
    if end == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    deed = "renew" if end == "renewed" else "withdraw"
    if end != "expired":
        answer = admin.post(reverse("admin:identity_invitation_do", args=[row.pk, deed]))
    answer = Client().post(link, GOOD)
    assert answer.status_code == 410
    assert ("expired" if end == "expired" else "withdrawn") in answer.text
    assert not get_user_model().objects.filter(email="ann@example.org").exists()


def test_a_renewed_link_works(admin: Client, member: Membership) -> None:
    invited(admin, member)
    row = Invitation.objects.get()
    link = link_in(admin.post(reverse("admin:identity_invitation_do", args=[row.pk, "renew"])).text)
    assert Client().post(link, GOOD).status_code == 302


def test_only_admins_invite_and_only_to_their_own(admin: Client, member: Membership) -> None:
    foreign = make.OrganizationFactory()
    data = {"organization": foreign.pk, "email": "ann@example.org", "role": "admin"}
    admin.post(reverse("admin:identity_invitation_add"), data)
    viewer = Client()
    viewer.force_login(make.MembershipFactory(organization=member.organization, role=Role.VIEWER).user)
    assert viewer.get(reverse("admin:identity_invitation_add")).status_code == 403
    assert not Invitation.objects.exists()


def test_with_a_mail_server_the_link_is_mailed_and_proves_the_address(
    admin: Client, member: Membership, settings: Any
) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, sends_mail=True)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    shown = invited(admin, member)
    assert mail.outbox[0].to == ["ann@example.org"]
    assert shown in mail.outbox[0].body
    Client().post(shown, GOOD)
    assert EmailAddress.objects.get(email="ann@example.org").verified


def test_without_a_mail_the_address_is_not_proved(admin: Client, member: Membership) -> None:
    Client().post(invited(admin, member), GOOD)
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_the_last_admin_stays(admin: Client, member: Membership) -> None:
    edit = reverse("admin:accounts_membership_edit", args=[member.pk])
    assert "needs an admin" in admin.post(edit, {"role": "viewer"}, follow=True).text
    admin.post(reverse("admin:accounts_membership_delete", args=[member.pk]), {"post": "yes"})
    member.refresh_from_db()
    assert member.role == Role.ADMIN


@pytest.mark.parametrize(("withdrawn", "told"), [(False, True), (True, False)])
def test_an_invitation_that_is_over_no_more_expires(member: Membership, withdrawn: bool, told: bool) -> None:
    invitation = invitations.invite(
        member.organization, "ann@example.org", Role.VIEWER, member.user
    ).invitation
    if withdrawn:
        invitations.withdraw(invitation)
    client = Client()
    client.force_login(member.user)
    assert ("in 6 days" in client.get(reverse("admin:identity_invitation_changelist")).text) == told
    page = client.get(reverse("admin:identity_invitation_change", args=[invitation.pk])).text
    assert ("<dt>Expires</dt>" in page) == told
