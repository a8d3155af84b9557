"""Debian's chromium, driven by Playwright: fixtures for every test that looks at a page."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hub.accounts.models import Membership, Role
from tests import factories as make

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Git-ignored: what the tests saw.
SCREENSHOTS = Path(__file__).parents[1] / "browser" / "screenshots"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NAMES = ("chromium", "chromium-browser", "google-chrome")

SignIn = Callable[..., "Page"]


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """One browser for all tests. Playwright is loaded only where a test asks for it."""
    from playwright.sync_api import sync_playwright

    # Playwright's own loop runs in this thread; the tests' queries are plain calls all the same.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(
    chromium: "Browser", live_server: Any, transactional_db: None
) -> Iterator[Callable[..., "Page"]]:
    """Open pages, each with cookies of its own; errors of the pages' scripts fail the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(**options: Any) -> "Page":
        size = {"width": 1440, "height": 900}
        context = chromium.new_context(base_url=live_server.url, **{"viewport": size, **options})
        contexts.append(context)
        page: Page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(new_page: Callable[..., "Page"]) -> "Page":
    """A page of a stranger."""
    return new_page()


@pytest.fixture
def sign_in(new_page: Callable[..., "Page"]) -> SignIn:
    """Sign a new member (or the given one) in by the form and return the page."""

    def signed_in(membership: Membership | None = None, *, role: Role = Role.ADMIN, **options: Any) -> "Page":
        page = new_page(**options)
        page.goto("/admin/login/")
        enter(page, membership or make.MembershipFactory(role=role, user__is_staff=False))
        return page

    return signed_in


def enter(page: "Page", membership: Membership) -> None:
    """Fill in the sign-in form that ``page`` shows, and wait for the home page."""
    page.get_by_label("Username").fill(membership.user.username)
    page.get_by_label("Password").fill("password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Home").wait_for()


def executable() -> str:
    """Return the browser: ``CHROMIUM``, else the first that is installed."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = (os.path.join(folder, name) for name in NAMES for folder in folders)
    return os.environ.get("CHROMIUM") or next(filter(os.path.exists, found), "/usr/bin/chromium")


def shoot(page: "Page", name: str) -> None:
    """Keep a picture of the whole page."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
