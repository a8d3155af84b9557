"""Identity providers: an OpenID provider and Google, asked by the hub's own door."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.google import views as google
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from joserfc import jwt
from joserfc.jwk import RSAKey

from hub.accounts.models import Membership
from hub.identity import invitations
from hub.identity.door import policy
from hub.identity.options import SignIn, settings_of
from tests import factories as make
from tests.conftest import Door

ISSUER = "http://127.0.0.1:9/realm"
OPTIONS = SignIn(ISSUER, "hub", "oidc-secret", "Acme", "google-id", "google-secret", "", "")
LOGIN = "/account/oidc/sso/login/"
#: Signs what the providers say.
KEY = RSAKey.generate_key(2048, {"kid": "one"})


@pytest.fixture
def providers(settings: Any, db: None) -> None:
    """An operator set an OpenID provider and Google."""
    settings.SIGN_IN = OPTIONS
    for name, value in settings_of(OPTIONS, settings.HUB.url, "").items():
        if name.startswith("SOCIALACCOUNT_PROVIDERS"):
            setattr(settings, name, value)


@pytest.fixture
def vouch(door: Door, providers: None) -> Callable[..., None]:
    """Let the provider say who somebody is."""
    base = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    ends = {f"{name}_endpoint": f"{ISSUER}/{name}" for name in ("authorization", "token", "userinfo")}
    door.answer("GET", f"{ISSUER}/.well-known/openid-configuration", json={**base, **ends})

    def say(**claims: Any) -> None:
        who = {"sub": "42", "name": "Ann Ondaatje", **claims}
        now = int(time.time())
        signed = jwt.encode(
            {"alg": "RS256", "kid": "one"},
            {**who, "iss": ISSUER, "aud": "hub", "iat": now, "exp": now + 60},
            KEY,
        )
        door.answer(
            "POST", f"{ISSUER}/token", json={"access_token": "at", "token_type": "Bearer", "id_token": signed}
        )
        door.answer("GET", f"{ISSUER}/userinfo", json=who)

    return say


def go(client: Client, **query: str) -> Any:
    """Press “Continue with Acme”, come back from the provider; return the last answer."""
    begun = client.post(LOGIN, query)
    assert begun["Location"].startswith(f"{ISSUER}/authorization?"), begun["Location"]
    asked = parse_qs(urlsplit(begun["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"][0].endswith("/account/oidc/sso/login/callback/")
    return client.get("/account/oidc/sso/login/callback/", {"code": "c", "state": asked["state"][0]})


def test_a_verified_address_on_both_sides_is_linked(member: Membership, vouch: Callable[..., None]) -> None:
    EmailAddress.objects.create(user=member.user, email=member.user.email, verified=True)
    vouch(email=member.user.email, email_verified=True)
    client = Client()
    assert go(client)["Location"] == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200
    assert SocialAccount.objects.get().user == member.user
    member.user.refresh_from_db()
    assert member.user.check_password("password")


@pytest.mark.parametrize(("here", "there"), [(False, True), (True, False), (False, False)])
def test_an_address_that_one_side_did_not_verify_opens_nothing(
    member: Membership, vouch: Callable[..., None], here: bool, there: bool
) -> None:
    EmailAddress.objects.create(user=member.user, email=member.user.email, verified=here)
    vouch(email=member.user.email, email_verified=there)
    client = Client()
    assert go(client)["Location"] == reverse("admin:login")
    assert "Sign-in &amp; security" in client.get(reverse("admin:login")).text
    assert client.get(reverse("admin:index")).status_code == 302
    assert not SocialAccount.objects.exists()


def test_an_invitation_for_a_verified_address_makes_the_account(
    member: Membership, vouch: Callable[..., None]
) -> None:
    sent = invitations.invite(member.organization, "ann@example.org", "operator", member.user)
    link = urlsplit(sent.url).path
    vouch(email="ann@example.org", email_verified=True)
    client = Client()
    assert "Continue with Acme" in client.get(link).text
    assert go(client, next=link)["Location"] == link
    assert client.post(link)["Location"] == reverse("admin:index")
    user = get_user_model().objects.get(email="ann@example.org")
    assert (user.username, user.has_usable_password()) == ("ann@example.org", False)
    assert user.memberships.get().role == "operator"


@pytest.mark.parametrize(
    ("email", "verified", "told"),
    [
        ("eve@example.org", True, "you as eve@example.org, but this invitation is for ann@example.org."),
        ("ann@example.org", False, "so it cannot show that this invitation is yours."),
    ],
)
def test_an_invitation_of_somebody_else_makes_none(
    member: Membership, vouch: Callable[..., None], email: str, verified: bool, told: str
) -> None:
    link = urlsplit(invitations.invite(member.organization, "ann@example.org", "admin", None).url).path
    vouch(email=email, email_verified=verified)
    client = Client()
    client.get(link)
    assert go(client)["Location"] == link
    assert told in client.get(link).text
    assert not get_user_model().objects.filter(email__in=["ann@example.org", "eve@example.org"]).exists()


def test_a_second_factor_is_asked_for_after_a_provider_too(
    guarded: Membership, vouch: Callable[..., None]
) -> None:
    SocialAccount.objects.create(user=guarded.user, provider="sso", uid="42")
    vouch(email="other@example.org", email_verified=True)
    assert go(Client())["Location"] == reverse("mfa_authenticate")


def test_linking_is_done_signed_in_and_undone(member: Membership, vouch: Callable[..., None]) -> None:
    vouch(email="private@example.org", email_verified=False)
    client = Client()
    client.force_login(member.user)
    begun = client.post(f"{LOGIN}?process=connect")
    state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
    client.get("/account/oidc/sso/login/callback/", {"code": "c", "state": state})
    linked = SocialAccount.objects.get()
    assert linked.user == member.user
    assert "Acme is linked. You can sign in with it from now on." in client.get(reverse("mfa_index")).text
    client.post(reverse("disconnect", args=[linked.pk]))
    assert not SocialAccount.objects.exists()


def test_a_provider_that_is_away_ends_on_the_sign_in_page(door: Door, providers: None) -> None:
    door.fail("GET", lambda sent: True)
    client = Client()
    assert client.post(LOGIN)["Location"] == reverse("admin:login")
    assert "did not answer" in client.get(reverse("admin:login")).text
    client.force_login(make.MembershipFactory().user)
    assert client.post(f"{LOGIN}?process=connect")["Location"] == reverse("mfa_index")
    assert "No account was linked; try again later." in client.get(reverse("mfa_index")).text


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "access_denied"}, ("so nobody was signed in.", "so no account was linked.")),
        ({"error": "server_error"}, ("Acme did not sign you in.", "Acme did not say who you are there")),
    ],
)
def test_who_comes_back_with_nothing_is_told_so_where_it_began(
    member: Membership, vouch: Callable[..., None], answer: dict[str, str], told: tuple[str, str]
) -> None:
    vouch()
    link = urlsplit(invitations.invite(member.organization, "ann@example.org", "viewer", None).url).path
    stranger, guest, known = Client(), Client(), Client()
    guest.get(link)
    known.force_login(member.user)
    login, security = reverse("admin:login"), reverse("mfa_index")
    for client, page, words in ((stranger, login, 0), (guest, link, 0), (known, security, 1)):
        begun = client.post(f"{LOGIN}?process=connect" if client is known else LOGIN)
        state = parse_qs(urlsplit(begun["Location"]).query)["state"][0]
        back = client.get("/account/oidc/sso/login/callback/", {**answer, "state": state})
        assert back["Location"] == page
        assert told[words] in client.get(page).text


def test_an_account_that_signs_somebody_else_in_is_not_linked(
    member: Membership, vouch: Callable[..., None]
) -> None:
    SocialAccount.objects.create(user=make.MembershipFactory().user, provider="sso", uid="42")
    vouch(email="private@example.org", email_verified=False)
    client = Client()
    client.force_login(member.user)
    state = parse_qs(urlsplit(client.post(f"{LOGIN}?process=connect")["Location"]).query)["state"][0]
    client.get("/account/oidc/sso/login/callback/", {"code": "c", "state": state})
    assert "That account at Acme signs somebody else in here" in client.get(reverse("mfa_index")).text
    assert not SocialAccount.objects.filter(user=member.user).exists()


def test_a_callback_that_nobody_asked_for_signs_nobody_in(
    vouch: Callable[..., None], member: Membership
) -> None:
    vouch(email=member.user.email, email_verified=True)
    client = Client()
    client.get("/account/oidc/sso/login/callback/", {"code": "c", "state": "made-up"})
    assert client.get(reverse("admin:index")).status_code == 302


def test_only_the_issuer_may_be_on_a_private_network(providers: None) -> None:
    assert policy().allows("127.0.0.1", 9)
    assert not policy().allows("10.0.0.1", 80)


def test_google_vouches_by_the_api(
    member: Membership, providers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"sub": "7", "email": member.user.email, "email_verified": True}
    monkeypatch.setattr(google, "_verify_and_decode", lambda app, credential: told)

    def ask(**more: str) -> Any:
        body = {"id_token": "signed-by-google", **more}
        return Client().post("/api/auth/social/google", body, content_type="application/json")

    assert ask().status_code == 403
    EmailAddress.objects.create(user=member.user, email=member.user.email, verified=True)
    assert ask().json()["user"]["username"] == member.user.username
    told.update(sub="8", email="ann@example.org")
    sent = invitations.invite(member.organization, "ann@example.org", "viewer", member.user)
    secret = sent.url.rstrip("/").rpartition("/")[2]
    assert ask(invitation=secret).json()["organizations"][0]["role"] == "viewer"
    assert get_user_model().objects.get(email="ann@example.org").memberships.count() == 1


@pytest.mark.parametrize(
    ("app_id", "valid", "status"), [("fb-id", True, 200), ("other", True, 401), ("fb-id", False, 401)]
)
def test_facebook_vouches_by_the_api_for_who_is_linked(
    member: Membership, providers: None, door: Door, settings: Any, app_id: str, valid: bool, status: int
) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {
        "facebook": {"APPS": [{"client_id": "fb-id", "secret": "fb-secret"}], "VERIFIED_EMAIL": False}
    }
    cache.clear()
    about = {"app_id": app_id, "is_valid": valid}
    door.answer("GET", lambda sent: sent.path.endswith("/debug_token"), json={"data": about})
    door.answer("GET", lambda sent: sent.path.endswith("/oauth/access_token"), json={"access_token": "app"})
    door.answer("GET", lambda sent: sent.path.endswith("/me"), json={"id": "77", "email": member.user.email})
    SocialAccount.objects.create(user=member.user, provider="facebook", uid="77")
    body = {"access_token": "given-by-facebook"}
    answer = Client().post("/api/auth/social/facebook", body, content_type="application/json")
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["user"]["username"] == member.user.username
