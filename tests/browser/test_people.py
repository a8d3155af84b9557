"""Journeys of people: invited, second factor, lock-out, passkey, identity provider, expired session."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.cache import cache
from playwright.sync_api import Page, expect

from hub.accounts.models import Role
from hub.identity.options import SignIn, settings_of
from tests import factories as make
from tests.hub.identity.conftest import code_now
from tests.plugins.browser import SignIn as SignInByForm
from tests.plugins.browser import shoot

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    cache.clear()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the form of signing in."""
    page.goto("/admin/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_out(page: Page) -> None:
    """Forget who one is."""
    page.context.clear_cookies()


def test_invited_in_with_an_authenticator_and_with_a_recovery_code(
    sign_in: SignInByForm, new_page: Callable[..., Page]
) -> None:
    membership = make.MembershipFactory()
    admin = sign_in(membership)
    admin.goto(f"/admin/accounts/organization/{membership.organization.pk}/change/")
    admin.get_by_role("link", name="Invite somebody").click()
    admin.get_by_label("E-mail").fill("ann@example.org")
    admin.get_by_label("Role").select_option("operator")
    admin.get_by_role("button", name="Save", exact=True).click()
    link = admin.locator("#link").inner_text()
    shoot(admin, "invited")

    ann = new_page()
    ann.goto(urlsplit(link).path)
    expect(ann.get_by_text(membership.organization.name)).to_be_visible()
    shoot(ann, "invitation")
    ann.get_by_label("Your name").fill("Ann Ondaatje")
    ann.get_by_label("Choose a password").fill("password")
    ann.get_by_role("button", name="Make my account and join").click()
    expect(ann.get_by_text("too common")).to_be_visible()
    ann.get_by_label("Choose a password").fill(PASSWORD)
    ann.get_by_role("button", name="Make my account and join").click()
    expect(ann.get_by_text(f"Welcome to {membership.organization.name}")).to_be_visible()

    ann.goto("/account/security/")
    shoot(ann, "security")
    ann.get_by_role("link", name="Set up an authenticator app").click()
    ann.get_by_label("Password").fill(PASSWORD)
    shoot(ann, "reauthenticate")
    ann.get_by_role("button", name="Confirm").click()
    secret = ann.locator("#secret").inner_text()
    shoot(ann, "totp")
    ann.get_by_label("Authenticator code").fill(code_now(secret))
    ann.get_by_role("button", name="Activate").click()
    expect(ann.locator("#codes li")).to_have_count(10)
    codes = ann.locator("#codes li").all_inner_texts()
    shoot(ann, "recovery-codes")

    log_out(ann)
    log_in(ann, "ann@example.org")
    ann.get_by_label("Code").fill("000000")
    ann.get_by_role("button", name="Sign In").click()
    expect(ann.get_by_text("Incorrect code")).to_be_visible()
    shoot(ann, "second-factor")
    ann.get_by_label("Code").fill(code_now(secret))
    ann.get_by_role("button", name="Sign In").click()
    expect(ann.get_by_role("heading", name="Home")).to_be_visible()

    log_out(ann)
    log_in(ann, "ann@example.org")
    ann.get_by_label("Code").fill(codes[0])
    ann.get_by_role("button", name="Sign In").click()
    expect(ann.get_by_role("heading", name="Home")).to_be_visible()
    user = get_user_model().objects.get(email="ann@example.org")
    assert user.memberships.get().role == Role.OPERATOR


def test_locked_out_and_let_in_again(sign_in: SignInByForm, new_page: Callable[..., Page]) -> None:
    membership = make.MembershipFactory()
    ann = make.MembershipFactory(organization=membership.organization, role=Role.VIEWER)
    page = new_page()
    for _ in range(5):
        log_in(page, ann.user.username, "wrong")
    expect(page.get_by_text("Try again in")).to_be_visible()
    shoot(page, "locked-out")
    admin = sign_in(membership)
    admin.goto(f"/admin/accounts/membership/{ann.pk}/change/")
    shoot(admin, "member-locked")
    admin.get_by_role("button", name="Unlock").click()
    expect(admin.get_by_text("may sign in again")).to_be_visible()
    log_in(page, ann.user.username, "password")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


def test_a_passkey_signs_in_without_a_password(sign_in: SignInByForm) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership)
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto("/account/security/webauthn/add/")
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("My phone")
    page.get_by_label("Passwordless").check()
    shoot(page, "passkey-add")
    page.get_by_role("button", name="Add").click()
    page.wait_for_url(re.compile("recovery-codes"))
    assert Authenticator.objects.filter(user=membership.user, type=Authenticator.Type.WEBAUTHN).exists()

    log_out(page)
    page.goto("/admin/login/")
    shoot(page, "sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()

    # Where somebody types the password all the same, the key is the second factor.
    log_out(page)
    log_in(page, membership.user.username, "password")
    page.get_by_role("button", name="Use a passkey or security key").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()


class Provider(ThreadingHTTPServer):
    """A small OpenID provider on this machine: whoever asks is Ann."""

    who: dict[str, Any] = {"sub": "42", "email": "ann@example.org", "email_verified": True, "name": "Ann O"}

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.issuer = f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        parts, issuer = urlsplit(self.path), self.server.issuer
        if parts.path == "/authorize":
            asked = parse_qs(parts.query)
            back = {"code": "c", "state": asked["state"][0]}
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri'][0]}?{urlencode(back)}")
            self.end_headers()
        elif parts.path == "/userinfo":
            self._say(self.server.who)
        else:
            ends = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            named = {f"{name}_endpoint": f"{issuer}/{path}" for name, path in ends.items()}
            self._say({"issuer": issuer, "jwks_uri": f"{issuer}/keys", **named})

    def do_POST(self) -> None:
        self._say({"access_token": "at", "token_type": "Bearer", "expires_in": 60})

    def _say(self, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """The hub is set up with a provider that listens on this machine."""
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = SignIn(server.issuer, "hub", "secret", "Acme", "", "", "", "")
    settings.SIGN_IN = options
    settings.SOCIALACCOUNT_PROVIDERS = settings_of(options, settings.HUB.url, "")["SOCIALACCOUNT_PROVIDERS"]
    yield server
    server.shutdown()
    server.server_close()


def test_an_identity_provider_makes_the_account_of_an_invitation(
    sign_in: SignInByForm, new_page: Callable[..., Page], provider: Provider
) -> None:
    membership = make.MembershipFactory()
    admin = sign_in(membership)
    admin.goto("/admin/identity/invitation/add/")
    admin.get_by_label("E-mail").fill("ann@example.org")
    admin.get_by_role("button", name="Save", exact=True).click()
    link = urlsplit(admin.locator("#link").inner_text()).path

    stranger = new_page()
    stranger.goto("/admin/login/")
    stranger.get_by_role("button", name="Continue with Acme").click()
    expect(stranger.get_by_text("Ask an admin for an invitation")).to_be_visible()
    shoot(stranger, "sign-in-stranger")

    ann = new_page()
    ann.goto(link)
    ann.get_by_role("button", name="Continue with Acme").click()
    ann.get_by_role("button", name=re.compile("Join as")).click()
    expect(ann.get_by_text(f"Welcome to {membership.organization.name}")).to_be_visible()
    log_out(ann)
    ann.goto("/admin/login/")
    ann.get_by_role("button", name="Continue with Acme").click()
    expect(ann.get_by_role("heading", name="Home")).to_be_visible()


def test_an_expired_session_asks_for_a_sign_in_and_comes_back(sign_in: SignInByForm) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership)
    Session.objects.all().delete()
    page.goto("/admin/accounts/apikey/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.get_by_label("Username").fill(membership.user.username)
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def test_a_viewer_reads_the_audit_log_and_invites_nobody(sign_in: SignInByForm) -> None:
    membership = make.MembershipFactory(role=Role.VIEWER)
    make.RouteFactory(organization=membership.organization, name="Orders to the shop")
    page = sign_in(membership)
    page.goto("/admin/audit/entry/")
    shoot(page, "audit")
    page.get_by_role("row", name=re.compile("Route Orders to the shop")).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    shoot(page, "change")
    page.goto("/admin/identity/invitation/")
    expect(page.get_by_role("link", name=re.compile("Add"))).to_have_count(0)
    assert page.request.get("/admin/identity/invitation/add/").status == 403


def test_an_organization_that_asks_for_two_factors_leads_there(sign_in: SignInByForm, new_page: Any) -> None:
    membership = make.MembershipFactory(organization__requires_two_factors=True)
    page = new_page()
    log_in(page, membership.user.username, "password")
    expect(page.get_by_text("asks its members for a second factor")).to_be_visible()
    expect(page.get_by_role("link", name="Set up an authenticator app")).to_be_visible()
