"""Connecting by signing in at the provider: the whole way in a browser, and what goes wrong on it."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from hub.accounts.models import Role
from hub.connections.models import Integration, SignIn
from hub.delivery.models import IntegrationLog, LogKind
from integrations.base.sandbox import Failure, Sandbox
from tests import factories as factory
from tests.playing import playing
from tests.plugins.browser import SignIn as Enter
from tests.plugins.browser import shoot

CLIENT = "00000000-0000-4000-8000-000000000001"
SECRET = "00000000-0000-4000-8000-0000000000ff"


@pytest.fixture
def sandbox(settings: Any, live_server: Any) -> Iterator[Sandbox]:
    """The built-in sandbox on a port of its own; the hub knows it, and its own address."""
    with playing() as (app, address):
        settings.HUB = dataclasses.replace(settings.HUB, url=live_server.url, sandbox_url=address)
        yield app


def go_to_the_provider(page: Page) -> None:
    """From the gallery to the provider's own page."""
    page.goto("/admin/connections/integration/connect/")
    page.get_by_role("heading", name="HubSpot").click()
    page.get_by_text("OAuth 2.0 (public app)").click()
    page.get_by_text("Use the sandbox").click()
    page.get_by_label("Client ID").fill(CLIENT)
    page.get_by_label("Client secret").fill(SECRET)
    page.get_by_role("button", name="Connect with HubSpot").click()
    expect(page.get_by_role("heading", name="HubSpot (sandbox)")).to_be_visible()


def test_connect_with_hubspot_from_end_to_end(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    shoot(page, "sandbox-sign-in")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    expect(page.get_by_text("Portal 14400000").first).to_be_visible()
    expect(page.get_by_text("signed in at the provider.")).to_be_visible()
    integration = Integration.objects.get()
    tokens = integration.credential.tokens
    assert tokens["refresh_token"].startswith("sandbox-refresh-")
    assert not SignIn.objects.exists()
    for secret in (SECRET, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in page.content()
    shoot(page, "connected-by-sign-in")


def test_a_denied_sign_in_is_told_and_can_be_begun_again(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("was refused or cancelled. Nothing was changed.")).to_be_visible()
    expect(page.get_by_text("Nobody has signed in at HubSpot yet")).to_be_visible()
    shoot(page, "sign-in-denied")
    page.get_by_role("button", name="Connect with HubSpot").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()


def test_a_sign_in_that_took_too_long_is_told(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    SignIn.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("took longer than ten minutes and has expired")).to_be_visible()


def test_somebody_elses_sign_in_connects_nothing(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    SignIn.objects.update(user=factory.UserFactory())
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Somebody else began this sign-in, so nothing was connected.")).to_be_visible()
    expect(page.get_by_role("button", name="Connect with HubSpot")).to_be_visible()
    assert not (Integration.objects.get().credential.tokens or {}).get("access_token")


def test_a_token_endpoint_that_is_down_is_told(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    sandbox.fail(Failure("hubspot", 503, times=9, path="/token"))
    page.get_by_role("button", name="Allow").click()
    # Said at once, and kept in the log of the same page.
    why = page.get_by_text("The token endpoint answered 503")
    expect(why).to_have_count(2)
    page.reload()
    expect(why).to_have_count(1)
    sandbox.fail(Failure("hubspot", 503, times=0))
    page.get_by_role("button", name="Connect with HubSpot").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()


def test_another_account_than_before_is_pointed_out(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    go_to_the_provider(page)
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    Integration.objects.update(account_label="Portal 7", account_id="7")
    page.get_by_role("button", name="Sign in again").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("This is another account: Portal 14400000, not Portal 7.")).to_be_visible()
    shoot(page, "another-account")
    page.get_by_role("button", name="Move to Portal 14400000").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    assert Integration.objects.get().account_id == "14400000"


def test_a_key_that_hides_its_account_is_asked_about(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    page.goto("/admin/connections/integration/connect/stripe/")
    page.get_by_text("Use the sandbox").click()
    page.get_by_role("button", name="Fill in sample values").click()
    page.get_by_role("button", name="Connect and test").click()
    expect(page.get_by_text("told from another one by the account's id")).to_be_visible()
    known = Integration.objects.get()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("API key").fill("rk_test_another0000000000000000")
    sandbox.fail(Failure("stripe", 403, times=9, path="/v1/account"))
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text(f"cannot tell whether this is {known.account_label}")).to_be_visible()
    shoot(page, "account-untold")
    page.get_by_role("button", name="Use the new credential").click()
    expect(page.get_by_text("Interchange cannot tell which account this is")).to_be_visible()
    shoot(page, "connected-untold")
    known.refresh_from_db()
    assert known.account_id == ""


def test_the_form_tells_while_one_types_and_the_sandbox_fills_it(sign_in: Enter, sandbox: Sandbox) -> None:
    page = sign_in()
    page.goto("/admin/connections/integration/connect/stripe/")
    key = page.get_by_label("API key")
    key.fill("pk_live_wrong")
    key.blur()
    expect(page.get_by_text("Not the expected form yet.")).to_be_visible()
    key.fill("")
    page.get_by_text("Use the sandbox").click()
    page.get_by_role("button", name="Fill in sample values").click()
    expect(page.get_by_text("Has the expected form.").first).to_be_visible()
    page.get_by_role("button", name="Connect and test").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    expect(page.get_by_text("In the sandbox:")).to_be_visible()


def test_pausing_and_resuming_is_in_the_log_with_a_name(sign_in: Enter) -> None:
    membership = factory.MembershipFactory(role=Role.OPERATOR)
    integration = factory.IntegrationFactory(organization=membership.organization)
    page = sign_in(membership)
    page.goto(f"/admin/connections/integration/{integration.pk}/change/")
    page.get_by_role("button", name="Pause").click()
    name = membership.user.username
    expect(page.get_by_text(f"Paused by {name}: its queue waits.")).to_be_visible()
    page.get_by_role("link", name="Resume").click()
    expect(page.get_by_role("heading", name=re.compile("^Resume"))).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile(f"Resumed by {name}"))).to_be_visible()
    assert IntegrationLog.objects.filter(kind=LogKind.STATE).count() == 2


def test_the_end_of_a_credential_is_entered_and_seen_coming(sign_in: Enter) -> None:
    membership = factory.MembershipFactory()
    integration = factory.IntegrationFactory(organization=membership.organization, name="Billing")
    page = sign_in(membership)
    page.goto("/admin/connections/integration/")
    page.get_by_role("link", name="When credentials end").click()
    expect(page.get_by_text("no end is known")).to_be_visible()
    day = timezone.localdate() + timedelta(days=5)
    page.get_by_label("Last day of the credential of Billing").fill(day.isoformat())
    page.get_by_role("button", name="Keep the day").click()
    expect(page.get_by_text("You are warned 1 day before.")).to_be_visible()
    expect(page.get_by_text("ends in 5 days")).to_be_visible()
    shoot(page, "expiry")
    assert integration.credential.expires_at is None
    integration.credential.refresh_from_db()
    assert timezone.localtime(integration.credential.expires_at).date() == day
    page.goto("/admin/")
    expect(page.get_by_text("Its credential ends in 5 days.")).to_be_visible()
    page.get_by_role("link", name="Renew").click()
    expect(page.get_by_role("heading", name="Billing", level=2)).to_be_visible()


def test_a_search_without_a_hit_leads_back_to_all_providers(sign_in: Enter) -> None:
    page = sign_in()
    page.goto("/admin/connections/integration/connect/")
    page.get_by_role("button", name="Payments").click()
    page.get_by_label("Search providers").fill("fax machine")
    expect(page.get_by_role("heading", name="No provider fits")).to_be_visible()
    expect(page.get_by_role("heading", name="Stripe")).to_be_hidden()
    shoot(page, "gallery-nothing-found")
    page.get_by_role("button", name="Show all providers").click()
    expect(page.get_by_role("heading", name="No provider fits")).to_be_hidden()
    expect(page.get_by_role("heading", name="Slack")).to_be_visible()
    expect(page.get_by_label("Search providers")).to_be_focused()
