"""Signing in to the admin: passwords, second factors, lock-outs, who stays outside."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.connections import rotation
from hub.identity.models import SealedText
from tests import factories as make
from tests.hub.identity.conftest import SECRET, code_now, opened, recovery_codes

HOME = "/admin/"


@pytest.mark.parametrize("named", ["username", "email"])
def test_name_or_address_and_password_let_a_member_in(member: Membership, sign_in: Any, named: str) -> None:
    client, answer = sign_in(getattr(member.user, named))
    assert (answer.status_code, answer["Location"]) == (302, HOME)
    assert client.get(HOME).status_code == 200


def test_a_second_factor_is_asked_for_and_taken_once(guarded: Membership, sign_in: Any) -> None:
    client, answer = sign_in(guarded.user.username)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get(HOME).status_code == 302
    wrong = client.post(answer["Location"], {"code": "000000"})
    assert "Incorrect code" in wrong.text
    code = code_now()
    assert client.post(answer["Location"], {"code": code})["Location"] == HOME
    assert client.get(HOME).status_code == 200
    other, answer = sign_in(guarded.user.username)
    assert "Incorrect code" in other.post(answer["Location"], {"code": code}).text


def test_a_recovery_code_lets_in_once(guarded: Membership, sign_in: Any) -> None:
    first = recovery_codes(guarded)[0]
    for expected in (302, 200):
        client, answer = sign_in(guarded.user.username)
        assert client.post(answer["Location"], {"code": first}).status_code == expected
    assert first not in recovery_codes(guarded)


def test_codes_cannot_be_guessed_for_long(guarded: Membership, sign_in: Any) -> None:
    client, answer = sign_in(guarded.user.username)
    for _ in range(5):
        client.post(answer["Location"], {"code": "000000"})
    assert "Too many failed" in client.post(answer["Location"], {"code": code_now()}).text


def test_secrets_of_second_factors_are_encrypted_and_go_with_them(guarded: Membership) -> None:
    row = Authenticator.objects.get(user=guarded.user, type=Authenticator.Type.TOTP)
    assert SECRET not in str(row.data)
    assert opened(row) == SECRET
    assert rotation.counts_by_key()
    assert all(each.__dict__["text"].startswith("v1.") for each in SealedText.objects.all())
    row.delete()
    assert SealedText.objects.count() == 1  # of the recovery codes


def test_after_five_wrong_passwords_name_and_address_wait(member: Membership, sign_in: Any) -> None:
    name = member.user.username
    answers = [sign_in(name.upper() if number % 2 else name, "wrong")[1] for number in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert "Try again in" in answers[-1].text
    assert sign_in(name)[1].status_code == 429
    elsewhere = sign_in(name, REMOTE_ADDR="203.0.113.9")[1]
    assert elsewhere.status_code == 302
    assert not AccessAttempt.objects.filter(post_data__contains="wrong").exists()


def test_an_admin_unlocks_a_member(member: Membership, sign_in: Any) -> None:
    ann = make.MembershipFactory(organization=member.organization, role=Role.VIEWER)
    for _ in range(5):
        sign_in(ann.user.username, "wrong")
    client = Client()
    client.force_login(member.user)
    page = reverse("admin:accounts_membership_change", args=[ann.pk])
    assert "Locked out" in client.get(page).text
    client.post(reverse("admin:accounts_membership_do", args=[ann.pk, "unlock"]))
    assert "Locked out" not in client.get(page).text
    assert sign_in(ann.user.username)[1].status_code == 302


def test_lock_outs_of_the_whole_hub_are_for_superusers(member: Membership, sign_in: Any) -> None:
    for _ in range(5):
        sign_in("nobody", "wrong")
    client = Client()
    client.force_login(member.user)
    assert client.get(reverse("admin:lockouts")).status_code == 403
    client.force_login(make.UserFactory(is_superuser=True))
    assert "nobody" in client.get(reverse("admin:lockouts")).text
    client.post(reverse("admin:lockouts"), {"attempt": AccessAttempt.objects.get().pk})
    assert not AccessAttempt.objects.exists()


def test_an_organization_may_ask_for_two_factors(member: Membership) -> None:
    member.organization.requires_two_factors = True
    member.organization.save()
    client = Client()
    client.force_login(member.user)
    for address in (HOME, reverse("admin:accounts_apikey_changelist"), reverse("admin:search")):
        assert client.get(address)["Location"] == reverse("mfa_index")
    assert "asks its members for a second factor" in client.get(reverse("mfa_index")).text
    Authenticator.objects.create(user=member.user, type=Authenticator.Type.TOTP, data={})
    assert client.get(HOME).status_code == 200


def test_whoever_runs_the_hub_helps_somebody_who_lost_everything(guarded: Membership) -> None:
    call_command("resetfactors", guarded.user.username)
    assert not Authenticator.objects.filter(user=guarded.user).exists()
    assert not SealedText.objects.exists()


def test_a_member_sets_up_an_authenticator_app(member: Membership, sign_in: Callable[..., Any]) -> None:
    client, _ = sign_in(member.user.username)
    page = reverse("mfa_activate_totp")
    asked = client.get(page)
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    client.post(asked["Location"], {"password": "password", "next": page})
    assert client.get(page).status_code == 200
    answer = client.post(page, {"code": code_now(client.session["mfa.totp.secret"])})
    assert answer["Location"] == reverse("mfa_view_recovery_codes")
    assert client.get(answer["Location"]).text.count("<li>") >= 10
    assert opened(Authenticator.objects.get(type=Authenticator.Type.TOTP))


def test_pages_of_ones_own_account_are_for_members(member: Membership) -> None:
    stranger = Client()
    for name in ("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "account_change_password"):
        assert stranger.get(reverse(name)).status_code == 302, name


def test_the_second_step_offers_what_the_account_has(
    sign_in: Callable[..., Any], guarded: Membership
) -> None:
    client, _ = sign_in(guarded.user.username)
    page = client.get(reverse("mfa_authenticate")).text
    assert "or one of your recovery codes" in page
    # There is none: the browser would ask for it in vain.
    assert "security key" not in page


@pytest.mark.parametrize(("mails", "told"), [(True, "Send the link"), (False, "This hub sends no mail")])
def test_a_hub_without_mail_promises_none(settings: Any, member: Membership, mails: bool, told: str) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, sends_mail=mails)
    forgotten = reverse("account_reset_password")
    client = Client()
    assert told in client.get(forgotten).text
    client.force_login(member.user)
    # The page that asks for the password again leads there only where it helps.
    assert (forgotten in client.get(reverse("account_reauthenticate")).text) == mails


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("account_inactive", "Ask them to switch it on again"),
        ("socialaccount_login_cancelled", "nobody was signed in"),
        ("socialaccount_login_error", "sign in with your password"),
    ],
)
def test_who_is_not_let_in_reads_what_to_do(client: Client, name: str, told: str) -> None:
    page = client.get(reverse(name)).text
    assert told in page
    assert reverse("account_login") in page
