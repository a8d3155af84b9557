"""Outgoing webhooks in the browser: the pages fit, axe finds nothing serious, the secret can be copied."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import factories as make
from tests.browser.test_pages import look
from tests.plugins.browser import SignIn
from webhooks.models import Subscription

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_the_pages_of_outgoing_webhooks(sign_in: SignIn, theme: Any, width: int) -> None:
    membership = make.MembershipFactory()
    page = sign_in(membership, color_scheme=theme, viewport={"width": width, "height": 844})
    page.goto("/admin/webhooks/subscription/add/")
    page.get_by_label("Address").fill("https://hooks.example.com/interchange/in")
    page.get_by_label("Event types").fill("order.*\ninvoice.paid")
    wrong = look(page, "subscription-add", theme, width)
    page.get_by_role("button", name="Subscribe").click()
    page.get_by_text("Copy this secret now").wait_for()
    assert page.locator("#secret").inner_text().startswith("whsec_")
    wrong += look(page, "subscription-made", theme, width)
    Subscription.objects.update(failing_since=timezone.now() - timedelta(days=3))
    page.goto("/admin/webhooks/subscription/")
    wrong += look(page, "subscription-list", theme, width)
    page.get_by_role("link", name="hooks.example.com").first.click()
    page.get_by_text("Nothing was taken since").wait_for()
    wrong += look(page, "subscription-failing", theme, width)
    assert wrong == []
