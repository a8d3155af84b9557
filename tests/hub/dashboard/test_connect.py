"""Connecting a service in the admin: gallery, guided form, test at once; secrets are never sent back."""

import re
from datetime import timedelta
from hashlib import sha256

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Credential, Integration, SignIn
from integrations.base.registry import providers
from tests import factories as make
from tests.conftest import Door

KEY = "rk_test_example00000000000000000"
SENTINEL = "rk_test_SENTINEL000000000000000000"


@pytest.fixture
def admin(db: None) -> Client:
    """An admin of one organization."""
    client = Client()
    client.force_login(make.MembershipFactory(user__is_staff=False).user)
    return client


def connect_url(slug: str = "stripe") -> str:
    return reverse("admin:connections_connect_provider", args=[slug])


def told(answer: object) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


def test_the_gallery_shows_every_provider(admin: Client) -> None:
    text = admin.get(reverse("admin:connections_connect")).content.decode()
    assert all(connect_url(slug) in text for slug in providers())


@pytest.mark.parametrize("slug", sorted(providers()))
def test_every_provider_has_a_guided_form(admin: Client, slug: str) -> None:
    text = admin.get(connect_url(slug)).content.decode()
    for declared in providers()[slug].fields_for():
        assert f'name="f_{declared.name}"' in text


def test_connect_saves_tests_and_goes_to_the_page(admin: Client, door: Door) -> None:
    door.answer("GET", "/v1/balance", json={"object": "balance", "available": []})
    door.answer("GET", "/v1/account", json={"id": "acct_1", "object": "account"})
    answer = admin.post(
        connect_url(), {"name": "Stripe, Europe", "f_api_key": KEY, "quick_tries": 3, **LIMITS}
    )
    integration = Integration.objects.get()
    assert answer["Location"] == reverse("admin:connections_integration_change", args=[integration.pk])
    assert integration.slug == "stripe-europe"
    assert integration.test_ok is True
    assert "Stripe, Europe is connected." in told(answer)
    assert Credential.objects.get().secrets["api_key"] == KEY


def test_a_refused_key_is_explained_on_the_form(admin: Client, door: Door) -> None:
    door.answer("GET", "/v1/balance", 401, json={"error": {"message": "Invalid API Key provided: rk_t****"}})
    answer = admin.post(connect_url(), {"name": "Stripe", "f_api_key": SENTINEL, **LIMITS})
    integration = Integration.objects.get()
    assert answer["Location"] == reverse("admin:connections_integration_edit", args=[integration.pk])
    assert "does not work yet" in told(answer)
    text = admin.get(answer["Location"]).content.decode()
    # What the provider says has no full stop of its own.
    assert "Invalid API Key provided: rk_t****. " in text
    assert "The last test failed." in text
    assert SENTINEL not in text


def test_a_malformed_key_is_named_and_never_echoed(admin: Client) -> None:
    answer = admin.post(connect_url(), {"name": "Stripe", "f_api_key": f"{SENTINEL} pk", **LIMITS})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "does not have the form that is expected" in text
    assert SENTINEL not in text
    assert not Integration.objects.exists()


def test_leaving_a_secret_empty_keeps_it(admin: Client, door: Door) -> None:
    door.answer("GET", "/v1/balance", json={"object": "balance"})
    door.answer("GET", "/v1/account", json={"id": "acct_1", "object": "account"})
    admin.post(connect_url(), {"name": "Stripe", "f_api_key": KEY, **LIMITS})
    integration = Integration.objects.get()
    edit = reverse("admin:connections_integration_edit", args=[integration.pk])
    admin.post(edit, {"name": "Renamed", "slug": "stripe", "f_api_key": "", **LIMITS, "rate_count": "7"})
    integration.refresh_from_db()
    assert (integration.name, integration.rate_count) == ("Renamed", 7)
    assert Credential.objects.get().secrets["api_key"] == KEY


def test_waits_are_written_as_people_write_them(admin: Client, door: Door) -> None:
    door.answer("GET", "/v1/balance", json={"object": "balance"})
    door.answer("GET", "/v1/account", json={"id": "acct_1", "object": "account"})
    admin.post(connect_url(), {"name": "Stripe", "f_api_key": KEY, **LIMITS, "schedule": "30s, 5m 2h"})
    assert Integration.objects.get().schedule == [30, 300, 7200]
    wrong = admin.post(connect_url(), {"name": "Two", "f_api_key": KEY, **LIMITS, "schedule": "soon"})
    assert wrong.status_code == 422
    assert "is no duration" in wrong.content.decode()


def test_members_cannot_connect_into_a_foreign_organization(admin: Client) -> None:
    foreign = make.OrganizationFactory()
    data = {"name": "Stripe", "f_api_key": KEY, "organization": str(foreign.pk), **LIMITS}
    assert admin.post(connect_url(), data).status_code == 422
    assert not Integration.objects.exists()


def test_a_denied_sign_in_is_told(admin: Client) -> None:
    callback = reverse("admin:connections_oauth_callback")
    answer = admin.get(callback, {"state": "unknown", "error": "access_denied"})
    assert answer.status_code == 302
    assert "Begin again" in told(answer)


@pytest.mark.parametrize("own", [True, False])
def test_somebody_elses_sign_in_leads_to_the_integration_where_one_may_see_it(
    admin: Client, own: bool
) -> None:
    organization = Organization.objects.get() if own else make.OrganizationFactory()
    row = make.IntegrationFactory(organization=organization)
    SignIn.objects.create(
        digest=sha256(b"theirs").hexdigest(),
        integration=row,
        user=make.UserFactory(),
        verifier="v",
        redirect_uri="",
        expires_at=timezone.now() + timedelta(minutes=5),
    )
    answer = admin.get(reverse("admin:connections_oauth_callback"), {"state": "theirs", "code": "c"})
    page = reverse("admin:connections_integration_change", args=[row.pk])
    assert (answer.headers["Location"] == page) == own
    assert "Somebody else began this sign-in" in told(answer)
    # It is not used up by whom it is not for.
    assert SignIn.objects.exists()


#: What the folded part of the form sends.
LIMITS = {
    "batch_size": "50",
    "quick_tries": "3",
    "quick_delay": "2.0",
    "schedule": "5m, 1h",
    "breaker_threshold": "10",
    "breaker_cooldown": "30",
    "allowed_hosts": "",
}


def test_a_second_of_a_kind_is_offered_a_name_of_its_own(admin: Client, door: Door) -> None:
    def offered() -> str:
        found = re.search(r'id="id_name" name="name" value="([^"]*)"', admin.get(connect_url()).text)
        return found[1] if found else ""

    assert offered() == "Stripe"
    for name in ("Stripe", "Stripe 2"):
        make.IntegrationFactory(organization=Organization.objects.get(), name=name)
    assert offered() == "Stripe 3"


def test_a_form_that_never_connected_does_not_wonder_about_the_account(admin: Client) -> None:
    row = make.IntegrationFactory(organization=Organization.objects.get(), test_ok=False)
    page = reverse("admin:connections_integration_edit", args=[row.pk])
    wonders = "does not know which account is connected"
    assert wonders not in admin.get(page).text
    row.record_test(True, "It works.", 5)
    assert wonders in admin.get(page).text


def test_a_refused_value_is_told_its_example_once(admin: Client) -> None:
    text = admin.post(connect_url(), {"name": "Stripe", "f_api_key": "pk_wrong", **LIMITS}).text
    example = providers()["stripe"].fields_for()[0].example
    assert f"It looks like {example}" in text
    assert f'For example <code class="ic-mono">{example}</code>' not in text


def test_who_has_not_signed_in_yet_is_not_called_active(admin: Client) -> None:
    row = make.IntegrationFactory(
        organization=Organization.objects.get(), provider_slug="hubspot", auth_key="oauth2"
    )
    page = reverse("admin:connections_integration_change", args=[row.pk])
    assert "Nobody signed in yet" in admin.get(page).text
    row.credential.tokens = {"access_token": "a"}
    row.credential.save()
    assert "Nobody signed in yet" not in admin.get(page).text
