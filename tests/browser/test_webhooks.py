"""Webhooks in a browser: from a new address to the first call, refusals, rotation, the signature tool."""

from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership, Role
from hub.events.models import Event
from tests import factories as make
from tests.plugins.browser import SignIn, shoot
from tests.webhooks.calls import call, fixture_of, post, signed
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.process import process_due

SECRET = "whsec_browser00000000000000000000"
OTHER = "whsec_another00000000000000000000"


def stripe(membership: Membership) -> None:
    make.IntegrationFactory(
        organization=membership.organization, provider_slug="stripe", name="Stripe", sandbox=True
    )


def new_endpoint(page: Page) -> WebhookEndpoint:
    """From the list to an endpoint that waits for its first call."""
    page.goto("/admin/webhooks/webhookendpoint/")
    page.goto("/admin/webhooks/webhookendpoint/add/")
    page.get_by_label("Integration").select_option(label="Stripe (sandbox)")
    page.get_by_label("Name").fill("Stripe, live")
    page.get_by_role("button", name="Make the address").click()
    expect(page.get_by_text("Every call is refused until this is entered: Signing secret")).to_be_visible()
    endpoint = WebhookEndpoint.objects.get()
    expect(page.locator("#address")).to_have_text(settings.HUB.url + endpoint.path)
    expect(page.get_by_text("Workbench → Webhooks → Add destination")).to_be_visible()
    page.get_by_label("Signing secret").fill(SECRET)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Waiting for the first call …")).to_be_visible()
    return WebhookEndpoint.objects.get()


def test_from_a_new_address_to_the_first_call_and_its_event(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    stripe(membership)
    page = sign_in(membership)
    endpoint = new_endpoint(page)
    shoot(page, "endpoint-waiting")
    body = fixture_of("stripe").body
    wrong, headers = signed(endpoint, body, secrets={"webhook_signing_secret": OTHER})
    assert post(endpoint, wrong, headers).status_code == 401
    expect(page.get_by_text("A call came, but it was refused: The signature does not fit")).to_be_visible()
    assert call(endpoint, body).status_code == 200
    # It turns green by itself.
    expect(page.get_by_text("Calls arrive and are proved.")).to_be_visible(timeout=10_000)
    process_due()
    kept = ReceivedWebhook.objects.get(state="processed")
    page.goto(f"/admin/webhooks/receivedwebhook/{kept.pk}/change/")
    assert Event.objects.get().webhook_id == kept.pk
    page.get_by_role("button", name="Process again").click()
    expect(page.get_by_text("It is processed again in a moment")).to_be_visible()
    process_due()
    assert Event.objects.count() == 1
    kept.refresh_from_db()
    assert (kept.state, kept.attempts) == ("processed", 1)


def test_a_secret_is_rotated_without_losing_a_call(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    stripe(membership)
    page = sign_in(membership)
    endpoint = new_endpoint(page)
    page.get_by_label("Signing secret").fill(OTHER)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Two secrets are accepted now.")).to_be_visible()
    body = fixture_of("stripe").body
    old, headers = signed(endpoint, body, secrets={"webhook_signing_secret": SECRET})
    assert post(endpoint, old, headers).status_code == 200
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End the overlap").click()
    expect(page.get_by_text("Only the new secret is accepted from now on.")).to_be_visible()
    assert post(endpoint, old, headers).status_code == 401
    assert SECRET not in page.content()
    assert OTHER not in page.content()


def test_the_tool_says_why_a_call_is_refused_and_signs_samples(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    stripe(membership)
    page = sign_in(membership)
    endpoint = new_endpoint(page)
    page.get_by_role("link", name="Test a signature").click()
    body, headers = signed(endpoint, b'{"id":"evt_1"}', when=timezone.now())
    value = headers["Stripe-Signature"]
    page.get_by_label("Headers").fill(f"Stripe-Signature: {value}")
    page.get_by_label("Body").fill(body.decode())
    page.get_by_role("button", name="Check the signature").click()
    expect(page.get_by_text("Proved: such a call is taken.")).to_be_visible()
    page.get_by_label("Body").fill('{\n  "id": "evt_1"\n}')
    page.get_by_role("button", name="Check the signature").click()
    expect(page.get_by_text("Not proved: such a call is refused.")).to_be_visible()
    expect(page.get_by_text("the JSON written without spaces")).to_be_visible()
    shoot(page, "signature-tool")
    page.get_by_label("Event").select_option(label="An invoice was paid")
    page.get_by_role("button", name="Sign it").click()
    page.get_by_text("The command (curl)").click()
    expect(page.locator("#curl")).to_contain_text("Stripe-Signature: t=")
    shoot(page, "signature-sample")
    page.get_by_role("button", name="Check the signature").click()
    expect(page.get_by_text("Proved: such a call is taken.")).to_be_visible()
    assert SECRET not in page.content()
    assert not ReceivedWebhook.objects.exists()


def test_a_viewer_sees_calls_but_neither_address_nor_tool(sign_in: SignIn) -> None:
    admin = make.MembershipFactory()
    stripe(admin)
    page = sign_in(admin)
    endpoint = new_endpoint(page)
    viewer = sign_in(make.MembershipFactory(organization=admin.organization, role=Role.VIEWER))
    viewer.goto(f"/admin/webhooks/webhookendpoint/{endpoint.pk}/change/")
    expect(viewer.get_by_text("The address is shown to admins only.")).to_be_visible()
    expect(viewer.get_by_role("link", name="Test a signature")).to_have_count(0)
    client = Client()
    client.force_login(make.MembershipFactory(organization=admin.organization, role=Role.VIEWER).user)
    assert client.get(f"/admin/webhooks/webhookendpoint/{endpoint.pk}/signature/").status_code == 403
