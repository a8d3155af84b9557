"""What people do in the admin, from the first click to the database."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from hub.accounts.models import Role
from hub.connections.models import Integration, Status
from hub.delivery.models import State
from hub.mapping.models import FieldMapping
from tests import factories as make
from tests.conftest import Door
from tests.plugins.browser import SignIn, shoot

GOOD_KEY, BAD_KEY = "rk_test_good0000000000000000", "rk_test_bad00000000000000000"


@pytest.fixture
def stripe(door: Door) -> Iterator[Door]:
    """Stripe as the connection test sees it: one key is good, any other is refused."""
    refusal = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: rk_t***0000"}}
    door.answer("GET", lambda sent: GOOD_KEY in sent.header("Authorization"), json={"object": "balance"})
    door.answer("GET", "/v1/balance", 401, json=refusal)
    return door


def test_connect_with_a_bad_key_and_then_a_good_one(sign_in: SignIn, stripe: Door) -> None:
    page = sign_in()
    expect(page.get_by_text("Connect your first service")).to_be_visible()
    page.locator("a.ic-button", has_text="Connect a service").click()
    page.get_by_label("Search providers").fill("stri")
    expect(page.get_by_role("heading", name="HubSpot")).to_be_hidden()
    shoot(page, "gallery")
    page.get_by_role("heading", name="Stripe").click()

    page.get_by_label("API key").fill("pk_live_wrong")
    page.get_by_role("button", name="Connect and test").click()
    expect(page.get_by_text("does not have the form that is expected")).to_be_visible()
    assert "pk_live_wrong" not in page.content()
    assert not Integration.objects.exists()

    page.get_by_label("API key").fill(BAD_KEY)
    page.get_by_role("button", name="Connect and test").click()
    expect(page.get_by_text("The last test failed.")).to_be_visible()
    expect(page.get_by_text("Invalid API Key").first).to_be_visible()
    assert BAD_KEY not in page.content()
    shoot(page, "connect-refused")

    page.get_by_label("API key").fill(GOOD_KEY)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    shoot(page, "integration")
    integration = Integration.objects.get()
    assert integration.test_ok is True
    assert integration.credential.secrets["api_key"] == GOOD_KEY


def test_a_mapping_is_made_and_its_preview_shows_the_request(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    make.IntegrationFactory(
        organization=membership.organization,
        provider_slug="hubspot",
        name="HubSpot",
        credential__secrets={"access_token": "pat-eu1-planted-secret-0000"},
    )
    make.EventFactory(
        organization=membership.organization, data={"email": " Ann@Example.com ", "total": "12.50"}
    )
    page = sign_in(membership)
    page.goto("/admin/mapping/fieldmapping/add/")
    page.get_by_label("Name").fill("Contacts")
    page.get_by_label("Made for", exact=True).select_option("hubspot:contact.upsert")
    page.get_by_role("button", name="Add a rule").click()
    rule = page.locator("[data-rule='1']")
    rule.get_by_label("From the event").fill("data.nothing")
    rule.get_by_label("Into the field").fill("email")
    rule.get_by_text("required").click()
    expect(page.get_by_text("It would not be sent.")).to_be_visible()
    shoot(page, "mapping-problem")

    rule.get_by_label("From the event").fill("data.email")
    rule.get_by_label("Add a step").select_option(label="E-mail address")
    result = page.locator("#preview-result")
    expect(result.get_by_text("The event fits.")).to_be_visible()
    expect(result.get_by_text(re.compile("contacts/batch/upsert"))).to_be_visible()
    expect(result.get_by_text('"ann@example.com"').first).to_be_visible()
    assert "planted-secret" not in page.content()
    shoot(page, "mapping")

    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved")).to_be_visible()
    saved = FieldMapping.objects.get()
    assert saved.rules[0]["source"] == "data.email"
    assert saved.rules[0]["transforms"] == [{"name": "email"}]


def test_the_actions_of_a_route_follow_its_integration(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    for slug in ("slack", "sendgrid"):
        make.IntegrationFactory(organization=membership.organization, provider_slug=slug, name=slug.title())
    page = sign_in(membership)
    page.goto("/admin/events/route/add/")
    page.get_by_label("Integration").first.select_option(label="Slack")
    names = page.locator("#id_action option").all_text_contents()
    assert not any("email.send" in name for name in names)
    page.get_by_label("Integration").first.select_option(label="Sendgrid")
    assert any("email.send" in name for name in page.locator("#id_action option").all_text_contents())


def test_a_test_event_tells_its_story(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    make.RouteFactory(organization=membership.organization, type_pattern="order.*", name="Orders to the shop")
    make.RouteFactory(
        organization=membership.organization, type_pattern="*", name="Big ones", filter="data.total > `1000`"
    )
    page = sign_in(membership)
    page.goto("/admin/events/event/send/")
    page.get_by_label("Type").fill("order.paid")
    page.get_by_label("Subject").fill("order-77")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("order-77").first).to_be_visible()
    expect(page.get_by_text("Orders to the shop").first).to_be_visible()
    expect(page.get_by_text("Big ones").first).to_be_visible()
    shoot(page, "event")


def test_somebody_paged_at_night_retries_all(sign_in: SignIn) -> None:
    membership = make.MembershipFactory(role=Role.OPERATOR)
    integration = make.IntegrationFactory(organization=membership.organization, name="Shop hook")
    item = make.QueueItemFactory(integration=integration, state=State.FAILED, last_error="It was refused.")
    make.IntegrationLogFactory(integration=integration, outcome="permanent", message="It was refused.")
    page = sign_in(membership)
    shoot(page, "home")
    page.get_by_role("button", name="Retry all (1)").click()
    expect(page.get_by_text("1 failed delivery is due now")).to_be_visible()
    item.refresh_from_db()
    assert item.state == State.PENDING


def test_a_viewer_cannot_act(sign_in: SignIn, live_server: Any) -> None:
    membership = make.MembershipFactory(role=Role.VIEWER)
    integration = make.IntegrationFactory(organization=membership.organization)
    page = sign_in(membership)
    expect(page.get_by_role("link", name="Connect a service")).to_have_count(0)
    page.goto(f"/admin/connections/integration/{integration.pk}/change/")
    for button in ("Pause", "Test now", "Disconnect"):
        expect(page.get_by_role("button", name=button)).to_have_count(0)
    token = page.evaluate("document.cookie.match(/csrftoken=([^;]+)/)?.[1] || ''")
    answer = page.request.post(
        f"{live_server.url}/admin/connections/integration/{integration.pk}/do/pause/",
        headers={"X-CSRFToken": token, "Referer": live_server.url},
    )
    assert answer.status == 403
    page.goto("/admin/connections/integration/connect/")
    expect(page.get_by_role("heading", name="Your role does not allow this")).to_be_visible()
    shoot(page, "not-allowed")
    page.get_by_role("link", name="To the home page").click()
    expect(page.get_by_role("heading", name="Home")).to_be_visible()
    integration.refresh_from_db()
    assert integration.status == Status.ACTIVE
