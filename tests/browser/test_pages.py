"""Every page, light and dark, wide and narrow: it fits the screen, and axe finds no violation."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import factories as make
from tests.browser import places
from tests.plugins.browser import SignIn, shoot

#: Many pages in one go, on a machine that has other things to do.
pytestmark = pytest.mark.timeout(900)

LOOKS = [("light", 1440), ("light", 390), ("dark", 1440), ("dark", 390)]


def violations(page: Page) -> list[str]:
    """Return what axe holds against the page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary'][:200]}"
        for one in found
        for node in one["nodes"]
    ]


def look(page: Page, name: str, theme: str, width: int) -> list[str]:
    """Return what is wrong with the page as it stands; keep a picture of it."""
    page.wait_for_load_state("networkidle")
    shoot(page, f"{name}-{theme}-{width}")
    wide = page.evaluate("document.documentElement.scrollWidth") > width
    return [*([f"{name} is too wide"] if wide else []), *(f"{name}: {entry}" for entry in violations(page))]


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_pages_fit_the_screen_and_are_accessible(sign_in: SignIn, theme: Any, width: int) -> None:
    # A superuser, who sees the pages of the whole hub as well.
    membership = make.MembershipFactory(user__is_superuser=True, role="admin")
    addresses = places.everything(membership)
    assert places.missing(list(addresses.values())) == []
    page = sign_in(membership, color_scheme=theme, viewport={"width": width, "height": 844})
    page.set_default_navigation_timeout(120_000)
    wrong: list[str] = []
    for name, address in addresses.items():
        answer = page.goto(address)
        if answer is None or answer.status != 200:
            wrong.append(f"{name} answered {answer and answer.status}")
        wrong += look(page, name, theme, width)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_pages_of_strangers_fit_and_are_accessible(
    new_page: Callable[..., Page], theme: Any, width: int
) -> None:
    page = new_page(color_scheme=theme, viewport={"width": width, "height": 844})
    wrong: list[str] = []
    for name, address in places.strangers().items():
        page.goto(address)
        wrong += look(page, name, theme, width)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_empty_pages_say_what_to_do_next(sign_in: SignIn, theme: Any, width: int) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership, color_scheme=theme, viewport={"width": width, "height": 844})
    wrong: list[str] = []
    for name, address in places.menu().items():
        answer = page.goto(address)
        if answer is not None and answer.status == 403:
            continue  # of the whole hub: not for an organization's admin
        wrong += look(page, f"empty-{name}", theme, width)
    assert not wrong, "\n".join(wrong)


def test_lists_with_long_reasons_fit_where_a_column_names_the_organization(sign_in: SignIn) -> None:
    member = make.MembershipFactory(organization__name="North Shop")
    make.MembershipFactory(user=member.user)
    integration = make.IntegrationFactory(organization=member.organization, name="Stripe, Europe")
    reason = "The signature does not fit the body. " * 5
    endpoint = make.WebhookEndpointFactory(integration=integration, name="Stripe, Europe")
    make.ReceivedWebhookFactory(endpoint=endpoint, call_id=f"demo_{'4' * 32}", reason=reason)
    make.IntegrationLogFactory(integration=integration, message=reason, action="contact.upsert")
    page = sign_in(member)
    for table in ("webhooks/receivedwebhook", "delivery/integrationlog"):
        page.goto(f"/admin/{table}/")
        expect(page.get_by_role("columnheader", name="Organization")).to_be_visible()
        ends = page.locator("#result_list").evaluate("table => table.getBoundingClientRect().right")
        assert ends <= 1440, table
