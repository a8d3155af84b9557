"""/api/docs in a browser: read, authorised with a key, and a request tried, with nothing from elsewhere."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests import factories as make
from tests.plugins.browser import shoot


def test_a_key_is_entered_and_an_event_is_sent_and_read(new_page: Callable[..., Page]) -> None:
    organization = make.OrganizationFactory()
    key = make.api_key(organization)
    page = new_page()
    page.set_default_timeout(60_000)
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text) if line.type == "error" else None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto("/api/docs")
    expect(page.get_by_role("heading", name="Interchange").first).to_be_visible(timeout=60_000)
    shoot(page, "api-docs")
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("input").first.fill(key)
    dialog.get_by_role("button", name="Apply credentials").first.click()
    dialog.get_by_role("button", name="Close").first.click()

    told = tried(page, "Events-sendEvents")
    expect(told.locator("tbody .response-col_status").first).to_contain_text("202")
    assert organization.events.get().type == "order.paid"
    told = tried(page, "Events-listEvents")
    expect(told.locator("tbody .response-col_status").first).to_contain_text("200")
    expect(told).to_contain_text("order-1042")
    expect(told).to_contain_text("x-request-id")
    page.locator("#operations-Events-listEvents .responses-wrapper").scroll_into_view_if_needed()
    shoot(page, "api-docs-answer")

    here = page.url.split("/api/")[0]
    assert [url for url in asked if not url.startswith((here, "data:", "blob:"))] == []
    assert refused == [], "nothing that the page needs is kept from it by its policy"


def tried(page: Page, operation: str) -> Any:
    """Open an operation, execute it with its example, and return where its answer is shown."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").first.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer).to_be_visible(timeout=15_000)
    return answer
