"""What is around every page: the palette, lists without an end, and news that rests in a hidden tab."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from hub.delivery.models import BulkRun
from tests import factories as make
from tests.plugins.browser import SignIn, enter, shoot

#: Lets a test say that the tab is hidden, as a browser does for one in the background.
HIDEABLE = """
  window.tabIsHidden = false;
  Object.defineProperty(document, "hidden", { get: () => window.tabIsHidden });
"""


def test_the_palette_finds_and_leads_there_by_keyboard(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    make.IntegrationFactory(organization=membership.organization, name="Billing hook")
    make.IntegrationFactory(name="Billing of strangers")
    page = sign_in(membership)
    page.keyboard.press("Control+k")
    search = page.locator("#search-input-command")
    expect(search).to_be_focused()
    search.press_sequentially("billing")
    results = page.locator("#command-results")
    expect(results.get_by_text("Billing hook")).to_be_visible()
    expect(results.get_by_text("Billing of strangers")).to_have_count(0)
    shoot(page, "palette")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Billing hook").first).to_be_visible()


def test_the_palette_is_opened_from_the_menu(sign_in: SignIn) -> None:
    page = sign_in()
    page.get_by_role("button", name=re.compile("Search or go to")).click()
    expect(page.locator("#search-input-command")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#search-input-command")).to_be_hidden()


def test_a_long_list_is_paged_without_being_counted(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    integration = make.IntegrationFactory(organization=membership.organization)
    for number in range(120):
        make.IntegrationLogFactory(integration=integration, message=f"Attempt {number}.")
    page = sign_in(membership)
    page.goto("/admin/delivery/integrationlog/")
    expect(page.get_by_text("Attempt 119.", exact=True)).to_be_visible()
    expect(page.get_by_text("Attempt 69.", exact=True)).to_have_count(0)
    # Nobody says how many there are: that would read them all.
    assert "120" not in page.locator("main").inner_text()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Attempt 69.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Attempt 0.", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Next")).to_have_count(0)
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text("Attempt 69.", exact=True)).to_be_visible()


def asked(page: Page, part: str) -> list[str]:
    """Return, as it grows, what the page asks for from now on whose address has ``part``."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if part in request.url else None)
    return found


def test_a_hidden_tab_asks_for_nothing_and_asks_at_once_when_it_is_seen(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    run = make.BulkRunFactory(organization=membership.organization, state=BulkRun.State.RUNNING, total=5)
    page = sign_in(membership)
    page.add_init_script(HIDEABLE)
    page.goto(f"/admin/delivery/bulkrun/{run.pk}/change/")
    with page.expect_request("**/progress/"):
        pass
    page.evaluate("window.tabIsHidden = true")
    page.wait_for_load_state("networkidle")
    found = asked(page, "/progress/")
    page.wait_for_timeout(3_000)
    assert found == []
    page.evaluate("window.tabIsHidden = false")
    with page.expect_request("**/progress/"):
        pass


def test_the_home_page_rests_and_wakes(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    make.IntegrationFactory(organization=membership.organization)
    page = sign_in(membership)
    page.add_init_script(HIDEABLE)
    page.clock.install()
    page.goto("/admin/")
    found = asked(page, "/home/live/")
    page.evaluate("window.tabIsHidden = true")
    page.clock.run_for(35_000)
    page.wait_for_timeout(500)
    assert found == []
    with page.expect_request("**/home/live/*"):
        page.evaluate("window.tabIsHidden = false; document.dispatchEvent(new Event('visibilitychange'))")


def polls() -> list[tuple[str, str]]:
    """Return each template that asks again and again, with its trigger."""
    found = []
    for folder in settings.TEMPLATES[0]["DIRS"]:
        for path in sorted(Path(folder).rglob("*.html")):
            for trigger in re.findall(r'hx-trigger="([^"]*\bevery [^"]*)"', path.read_text()):
                found.append((path.name, trigger))
    return found


@pytest.mark.parametrize(("name", "trigger"), polls())
def test_whatever_asks_again_rests_in_a_hidden_tab(name: str, trigger: str) -> None:
    assert "!document.hidden" in trigger, name


def test_a_text_is_copied_also_where_the_browser_gives_no_clipboard(sign_in: SignIn) -> None:
    page = sign_in()
    # As for a hub at plain HTTP and another name than localhost.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto("/admin/connections/integration/connect/hubspot/")
    page.get_by_text("OAuth 2.0 (public app)").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    page.get_by_label("Client ID").fill("")
    page.get_by_label("Client ID").press("Control+v")
    expect(page.get_by_label("Client ID")).to_have_value(re.compile("/admin/.*/oauth/callback/$"))
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_visible()


def test_a_form_that_stayed_open_while_one_signed_in_again_is_taken(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    integration = make.IntegrationFactory(organization=membership.organization)
    page = sign_in(membership)
    page.goto(f"/admin/connections/integration/{integration.pk}/change/")
    other = page.context.new_page()
    page.context.clear_cookies(name="sessionid")
    other.goto("/admin/login/")
    enter(other, membership)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Its queue waits; nothing is dropped.")).to_be_visible()
    integration.refresh_from_db()
    assert integration.status == "paused"
