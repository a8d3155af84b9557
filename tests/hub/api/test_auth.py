"""People who use the API: signing in, tokens that follow each other, roles as scopes."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client

from hub.accounts.models import Membership, Role, Scope
from hub.api.people import role_for, scopes_of
from hub.identity import invitations, tokens
from hub.identity.models import SignedIn
from hub.lib import throttle
from tests import factories as make
from tests.hub.identity.conftest import SECRET, code_now

STATUS = "/api/integrations/status"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    throttle.forget()
    yield
    throttle.forget()


@pytest.fixture
def member(db: None) -> Membership:
    """An operator."""
    return make.MembershipFactory(role=Role.OPERATOR)


def send(path: str, body: Any, **extra: Any) -> Any:
    """Post JSON to one of the addresses of signing in."""
    return Client(**extra).post(f"/api/auth/{path}", body, content_type="application/json")


def signed_in(member: Membership) -> dict[str, Any]:
    """Sign in by password; return the answer."""
    answer = send("login", {"username": member.user.username, "password": "password"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def call(access: str, organization: str = "", path: str = STATUS, method: str = "get") -> Any:
    """Call the API as a person."""
    headers = {
        "Authorization": f"Bearer {access}",
        **({"X-Organization": organization} if organization else {}),
    }
    return getattr(Client(), method)(path, headers=headers, content_type="application/json")


def test_a_password_gives_tokens_that_open_the_api(member: Membership) -> None:
    told = signed_in(member)
    assert told["state"] == "signed_in"
    assert told["organizations"][0]["slug"] == member.organization.slug
    assert told["organizations"][0]["role"] == "operator"
    assert call(told["access_token"], member.organization.slug).status_code == 200


def test_every_call_names_its_organization(member: Membership) -> None:
    access = signed_in(member)["access_token"]
    nameless = call(access)
    assert nameless.status_code == 400
    assert nameless.headers["Content-Type"].startswith("application/problem+json")
    assert member.organization.slug in nameless.text
    foreign = make.OrganizationFactory()
    assert call(access, foreign.slug).status_code == 403


def test_a_role_is_as_good_as_its_scopes(member: Membership) -> None:
    make.IntegrationFactory(organization=member.organization, slug="shop", provider_slug="stripe")
    access, slug = signed_in(member)["access_token"], member.organization.slug
    event = Client().post(
        "/api/events",
        {"type": "order.paid"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {access}", "X-Organization": slug},
    )
    assert event.status_code == 202
    Membership.objects.update(role=Role.VIEWER)
    refused = call(access, slug, "/api/integrations/test/shop", "post")
    assert refused.status_code == 403
    assert "needs the role operator" in refused.json()["detail"]
    Membership.objects.all().delete()
    assert call(access, slug).status_code == 403


def test_viewers_read_operators_operate_admins_do_all() -> None:
    assert {role_for(scope) for scope in Scope.values if scope.endswith(":read")} == {Role.VIEWER}
    assert set(scopes_of(Role.ADMIN)) == set(Scope.values)
    assert set(scopes_of(Role.VIEWER)) < set(scopes_of(Role.OPERATOR)) <= set(scopes_of(Role.ADMIN))
    assert role_for("integrations:write") == Role.ADMIN


def test_a_second_factor_is_asked_for_and_taken(member: Membership) -> None:
    TOTP.activate(member.user, SECRET)
    RecoveryCodes.activate(member.user)
    asked = signed_in(member)
    assert (asked["state"], asked["factors"]) == ("second_factor", ["recovery_codes", "totp"])
    assert "access_token" not in asked
    assert send("login", {"challenge": asked["challenge"], "code": "000000"}).status_code == 401
    assert send("login", {"challenge": asked["challenge"] + "x", "code": code_now()}).status_code == 401
    told = send("login", {"challenge": asked["challenge"], "code": code_now()}).json()
    assert call(told["access_token"], member.organization.slug).status_code == 200


def test_a_code_is_good_once(member: Membership) -> None:
    TOTP.activate(member.user, SECRET)
    code = code_now()
    answers = [send("login", {"challenge": signed_in(member)["challenge"], "code": code}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]


def test_codes_cannot_be_guessed_for_long(member: Membership) -> None:
    TOTP.activate(member.user, SECRET)
    wrong = [send("login", {"challenge": signed_in(member)["challenge"], "code": "000000"}) for _ in range(6)]
    assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
    late = send("login", {"challenge": signed_in(member)["challenge"], "code": code_now()})
    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) > 0


def test_an_organization_that_asks_for_two_factors_is_closed_without(member: Membership) -> None:
    member.organization.requires_two_factors = True
    member.organization.save()
    refused = call(signed_in(member)["access_token"], member.organization.slug)
    assert refused.status_code == 403
    assert "second factor" in refused.json()["detail"]


def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_family(member: Membership) -> None:
    first = signed_in(member)
    second = send("refresh", {"refresh_token": first["refresh_token"]}).json()
    assert second["refresh_token"] != first["refresh_token"]
    stolen = send("refresh", {"refresh_token": first["refresh_token"]})
    assert stolen.status_code == 401
    assert "used before" in stolen.json()["detail"]
    assert send("refresh", {"refresh_token": second["refresh_token"]}).status_code == 401
    assert call(second["access_token"], member.organization.slug).status_code == 401
    assert SignedIn.objects.get().end_reason == "reused"


def test_a_token_that_the_hub_did_not_make_ends_nothing(member: Membership) -> None:
    told = signed_in(member)
    kind, family, _, mac = told["refresh_token"].split("_")
    for forged in (
        f"{kind}_{family}_0_{'0' * len(mac)}",
        f"{kind}_{family}_5_{mac}",
        "nonsense",
        "icr_a_b_ü",
    ):
        assert send("refresh", {"refresh_token": forged}).status_code == 401
    assert send("refresh", {"refresh_token": told["refresh_token"]}).status_code == 200


def test_logout_ends_both_tokens(member: Membership) -> None:
    told = signed_in(member)
    assert send("logout", {"refresh_token": told["refresh_token"]}).status_code == 204
    assert call(told["access_token"], member.organization.slug).status_code == 401
    assert send("refresh", {"refresh_token": told["refresh_token"]}).status_code == 401


def test_an_access_token_ends_by_itself_and_cannot_be_forged(
    member: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, slug = signed_in(member)["access_token"], member.organization.slug
    head, body, signature = access.split(".")
    assert call(f"{head}.{body}.{signature[:-4]}AAAA", slug).status_code == 401
    unsigned = "eyJhbGciOiJub25lIn0"
    assert call(f"{unsigned}.{body}.", slug).status_code == 401
    later = tokens.time.time() + 3600
    monkeypatch.setattr(tokens.time, "time", lambda: later)
    assert "expired" in call(access, slug).json()["detail"]


def test_a_deactivated_account_is_out_at_once(member: Membership) -> None:
    told = signed_in(member)
    member.user.is_active = False
    member.user.save()
    assert call(told["access_token"], member.organization.slug).status_code == 401
    assert send("refresh", {"refresh_token": told["refresh_token"]}).status_code == 401


def test_wrong_passwords_are_counted_together_with_the_sign_in_page(member: Membership) -> None:
    body = {"username": member.user.username, "password": "wrong"}
    assert [send("login", body).status_code for _ in range(5)] == [401, 401, 401, 401, 429]
    locked = send("login", {**body, "password": "password"})
    assert locked.status_code == 429
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    page = Client().post("/admin/login/", {"username": member.user.username, "password": "password"})
    assert page.status_code == 429


def test_calls_are_counted_per_person_and_not_together_with_a_keys(member: Membership, settings: Any) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, api_rate_per_minute=2)
    other = make.MembershipFactory(organization=member.organization)
    mine, theirs = (signed_in(one)["access_token"] for one in (member, other))
    slug = member.organization.slug

    assert [call(mine, slug).status_code for _ in range(3)] == [200, 200, 429]
    again = signed_in(member)["access_token"]
    assert call(again, slug).status_code == 429, "A new token is no new person."
    assert call(theirs, slug).status_code == 200
    assert call(make.api_key(member.organization)).status_code == 200


def test_one_address_may_not_try_for_ever(db: None) -> None:
    answers = [send("refresh", {"refresh_token": "nonsense"}).status_code for _ in range(32)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_bad_keys_and_tokens_are_counted_per_address(member: Membership) -> None:
    answers = [call("ick_0123456789ab_wrong").status_code for _ in range(62)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_an_invitation_registers_once(member: Membership) -> None:
    sent = invitations.invite(member.organization, "ann@example.org", "viewer", member.user)
    body = {"invitation": sent.url, "name": "Ann", "password": "correct horse battery"}
    easy = send("register", {**body, "password": "12345678"})
    assert (easy.status_code, easy.json()["errors"][0]["field"]) == (400, "password")
    told = send("register", body)
    assert told.status_code == 201
    assert call(told.json()["access_token"], member.organization.slug).status_code == 200
    assert send("register", body).status_code == 410
    assert send("register", {**body, "invitation": "unknown"}).status_code == 410


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login", {}),
        ("login", {"username": "a", "password": "b", "challenge": "c", "code": "d"}),
        ("login", {"username": "a", "password": "b", "challenge": "c"}),
        ("login", {"username": "a", "password": "b", "challenge": 0}),
        ("login", {"username": "a", "password": 5}),
        ("login", []),
        ("login", {"username": {"a": 1}, "password": "b"}),
        ("register", {"invitation": "x"}),
        ("refresh", {}),
        ("social/google", {}),
    ],
)
def test_what_is_missing_is_named(db: None, path: str, body: Any) -> None:
    answer = send(path, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_what_is_wrong_is_told_without_what_was_sent(db: None) -> None:
    answer = send("login", {"username": "a", "password": "planted" * 200})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "password")
    assert "planted" not in answer.text


def test_a_provider_that_is_not_set_up_says_so(db: None) -> None:
    answer = send("social/google", {"id_token": "x"})
    assert answer.status_code == 404
    assert "HUB_GOOGLE_CLIENT_ID" in answer.json()["detail"]


def test_signing_in_tells_nothing_of_passwords(member: Membership, caplog: pytest.LogCaptureFixture) -> None:
    told = signed_in(member)
    for secret in (told["access_token"], told["refresh_token"]):
        assert secret not in caplog.text
        assert not re.search(re.escape(secret), str(list(SignedIn.objects.values())))
