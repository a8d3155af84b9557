"""Without a mouse: past the menu, a service connected, a field mapped; and one always sees where one is."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from hub.connections.models import Integration
from hub.mapping.models import FieldMapping
from tests import factories as make
from tests.browser.test_journeys import GOOD_KEY, stripe
from tests.conftest import Door
from tests.plugins.browser import SignIn, shoot

__all__ = ["stripe"]

#: How often Tab is pressed until a thing must have been reached.
FAR = 120
#: What shows where one is: an outline or a ring, on the thing itself or on what is around it.
VISIBLE = """() => {
  const shows = (element) => {
    const style = getComputedStyle(element);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    const boxed = element.matches("input[type=checkbox], input[type=radio]");
    return outlined || style.boxShadow !== "none" || boxed;
  };
  const here = document.activeElement;
  return shows(here) || shows(here.parentElement);
}"""
HERE = """() => {
  const here = document.activeElement;
  const label = here.labels?.[0]?.textContent || here.getAttribute("aria-label") || "";
  return (label || here.textContent || here.name || "").replace(/\\s+/g, " ").trim();
}"""


def tab_to(page: Page, wanted: str, *, exact: bool = False) -> None:
    """Press Tab until what is called ``wanted`` is reached; each stop on the way must be seen."""
    passed = []
    for _ in range(FAR):
        page.keyboard.press("Tab")
        here = page.evaluate(HERE)
        assert page.evaluate(VISIBLE), f"Nobody sees that “{here}” has the focus."
        if wanted == here or (not exact and wanted in here):
            return
        passed.append(here)
    raise AssertionError(f"“{wanted}” was not reached by Tab, but: {passed}")


def test_the_first_stop_leads_past_the_menu(sign_in: SignIn) -> None:
    page = sign_in()
    page.goto("/admin/events/event/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0, "The link stays out of sight."
    shoot(page, "skip-link")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("document.querySelector('#content').contains(document.activeElement)")
    assert inside, page.evaluate(HERE)


def test_a_service_is_connected_without_a_mouse(sign_in: SignIn, stripe: Door) -> None:
    page = sign_in()
    tab_to(page, "Connect a service")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connect/")
    tab_to(page, "Search providers")
    page.keyboard.type("stri")
    tab_to(page, "Stripe")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connect/stripe/")
    tab_to(page, "API key", exact=True)
    page.keyboard.type(GOOD_KEY)
    tab_to(page, "Connect and test")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The last connection test passed.")).to_be_visible()
    assert Integration.objects.get().test_ok is True


def test_a_field_is_mapped_without_a_mouse(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    organization = membership.organization
    make.IntegrationFactory(organization=organization, provider_slug="hubspot", name="HubSpot")
    make.EventFactory(organization=organization, data={"email": "ann@example.com"})
    page = sign_in(membership)
    page.goto("/admin/mapping/fieldmapping/add/")
    page.get_by_label("Name").focus()
    page.keyboard.type("Contacts")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Made for", exact=True)).to_be_focused()
    page.keyboard.type("HubSpot: Create or update contacts")
    tab_to(page, "Add a rule")
    page.keyboard.press("Enter")
    expect(page.locator("[data-rule='1']").get_by_label("From the event")).to_be_focused()
    page.keyboard.type("data.email")
    tab_to(page, "Into the field")
    page.keyboard.type("email")
    expect(page.locator("#preview-result").get_by_text("The event fits.")).to_be_visible()
    tab_to(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_text("is saved")).to_be_visible()
    mapping = FieldMapping.objects.get()
    assert (mapping.name, mapping.provider_slug) == ("Contacts", "hubspot")
    assert [(rule["source"], rule["target"]) for rule in mapping.rules] == [("data.email", "email")]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_stop_of_the_home_page_is_seen(sign_in: SignIn, theme: Any) -> None:
    membership = make.MembershipFactory()
    integration = make.IntegrationFactory(organization=membership.organization)
    make.QueueItemFactory(integration=integration, state="failed", last_error="Refused.")
    page = sign_in(membership, color_scheme=theme)
    tab_to(page, "Acknowledge")
