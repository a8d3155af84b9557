"""The daily report, from the menu to its page, at a desk and on a phone."""

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from hub.connections.models import Status
from hub.metrics import report
from tests import factories as make
from tests.plugins.browser import SignIn, shoot


def test_yesterdays_report(sign_in: SignIn) -> None:
    page = sign_in()
    organization = make.Organization.objects.get()
    day = timezone.localdate() - timedelta(days=1)
    noon = report.bounds(day)[0] + timedelta(hours=12)
    held = make.IntegrationFactory(
        organization=organization, name="Ledger", provider_slug="stripe", status=Status.RECONNECT
    )
    fine = make.IntegrationFactory(
        organization=organization, name="Chat", provider_slug="slack", test_ok=True
    )
    make.IntegrationFactory(organization=organization, name="Idle", test_ok=True)
    make.QueueItemFactory.create_batch(3, integration=held)
    make.IntegrationLogFactory.create_batch(40, integration=fine, created_at=noon, duration_ms=80)
    refused = {"outcome": "auth", "message": "Invalid API key.", "hint": "Enter the key again."}
    make.IntegrationLogFactory.create_batch(2, integration=held, created_at=noon, **refused)
    report.write(organization, day)

    page.reload()
    page.get_by_role("link", name="Reports").first.click()
    expect(page.get_by_text("1 to look at")).to_be_visible()
    shoot(page, "reports")
    page.locator("#result_list a").first.click()

    expect(page.get_by_role("heading", name="What needs somebody")).to_be_visible()
    expect(
        page.get_by_text("Reconnect it: its credential is refused, and 3 deliveries").first
    ).to_be_visible()
    expect(page.get_by_text("40 deliveries went through").first).to_be_visible()
    shoot(page, "report")
    page.set_viewport_size({"width": 390, "height": 844})
    shoot(page, "report-phone")
    page.get_by_role("link", name="Ledger").click()
    expect(page.get_by_role("heading", name="Ledger").first).to_be_visible()
