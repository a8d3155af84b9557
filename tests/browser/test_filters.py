"""The filters of the lists, as a person uses them: opened, chosen, applied, cleared; also without a mouse."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership, Role
from hub.delivery.models import State
from hub.lib.ids import first_at
from tests import factories as make
from tests.plugins.browser import SignIn, shoot

QUEUE = "/admin/delivery/queueitem/"


@pytest.fixture
def viewer(transactional_db: None) -> Membership:
    """Three deliveries of one organization: another state, integration, type, subject and time each."""
    member = make.MembershipFactory(role=Role.VIEWER)
    for hours, (name, state, kind) in enumerate(
        [
            ("Shop", State.FAILED, "order.paid"),
            ("Mail", State.PENDING, "user.new"),
            ("Chat", State.SKIPPED, "x.y"),
        ]
    ):
        integration = make.IntegrationFactory(organization=member.organization, name=name)
        event = make.EventFactory(
            organization=member.organization, type=kind, subject=f"about-{name.lower()}"
        )
        make.QueueItemFactory(
            pk=first_at(timezone.now() - timedelta(hours=2 * hours, minutes=5)),
            integration=integration,
            event=event,
            label=kind,
            subject=event.subject,
            state=state,
            finished_at=None if state == State.PENDING else timezone.now(),
        )
    return member


def opened(page: Page, address: str = QUEUE) -> Any:
    page.goto(address)
    page.get_by_role("button", name="Filters").click()
    sheet = page.locator("#changelist-filter")
    expect(sheet.get_by_role("button", name="Apply Filters")).to_be_visible()
    return sheet


def choose(page: Page, sheet: Any, name: str, words: str) -> None:
    """Choose as people do, from the box that drops down."""
    sheet.locator(f"select[name={name}] + .select2").click()
    page.get_by_role("option", name=words).click()


def shown(page: Page) -> list[str]:
    cells = page.locator("#result_list tbody tr").all_inner_texts()
    return sorted(name for name in ("Shop", "Mail", "Chat") if any(name in cell for cell in cells))


def test_deliveries_are_narrowed_by_each_filter_and_shown_again(sign_in: SignIn, viewer: Membership) -> None:
    page = sign_in(viewer)
    sheet = opened(page)
    shoot(page, "filters")
    choose(page, sheet, "state__exact", "failed")
    sheet.get_by_role("button", name="Apply Filters").click()
    page.wait_for_url(re.compile("state__exact=failed$"))
    assert shown(page) == ["Shop"]

    sheet = opened(page)
    choose(page, sheet, "integration", "Mail")
    sheet.get_by_role("button", name="Apply Filters").click()
    page.wait_for_url(re.compile("integration="))
    assert shown(page) == ["Mail"]

    for label, text, found in (
        ("By event type", "order.*", ["Shop"]),
        ("By subject", "about-ch", ["Chat"]),
        ("Made until", f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}", ["Chat", "Mail"]),
        ("Made from", f"{timezone.now() - timedelta(hours=3):%Y-%m-%dT%H:%M}", ["Mail", "Shop"]),
    ):
        sheet = opened(page)
        sheet.get_by_label(label).fill(text)
        sheet.get_by_role("button", name="Apply Filters").click()
        page.wait_for_url(re.compile(r"\?\w+="))
        assert shown(page) == found, label

    page.get_by_role("button", name="Filters").click()
    sheet.get_by_role("link", name="Clear all filters").click()
    page.wait_for_url(re.compile(rf"{QUEUE}\??$"))
    assert shown(page) == ["Chat", "Mail", "Shop"]


def test_filters_are_opened_and_applied_without_a_mouse(sign_in: SignIn, viewer: Membership) -> None:
    page = sign_in(viewer, viewport={"width": 390, "height": 844})
    page.goto(QUEUE)
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#changelist-filter")
    field = sheet.get_by_label("By subject")
    # What slides in yet takes no keys.
    expect(field).to_be_visible()
    field.focus()
    expect(field).to_be_focused()
    page.keyboard.type("about-shop")
    expect(field).to_have_value("about-shop")
    shoot(page, "filters-390")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("subject=about-shop"))
    assert shown(page) == ["Shop"]
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(sheet).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
