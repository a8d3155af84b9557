"""Makes the pictures of the README anew, from a hub that runs with the demo organization.

    make run                                        # in one terminal
    .venv/bin/python tools/screenshots.py --password PASSWORD

It sends events by the API, lets the sandbox refuse some of them so that there is a story to tell,
and photographs the pages. Playwright and Chromium are those of the browser tests.
"""

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
#: Bytes that a picture may have.
LARGEST = 200_000
PEOPLE = (
    ("Ada", "Lovelace", "Analytical Engines"),
    ("Grace", "Hopper", "Cobol & Co"),
    ("Emmy", "Noether", "Invariants"),
    ("Mary", "Somerville", "Connexion"),
)
ADMIN = "/admin"


def main() -> int:
    """Read the command line and make the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the pictures of the README anew.")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--sandbox", default="http://127.0.0.1:8009")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        state = sign_in(browser, options)
        tell_a_story(browser, state, options)
        take(browser, state, options.url)
        browser.close()
    large = [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > LARGEST]
    if large:
        sys.stderr.write(f"Larger than {LARGEST:,} bytes: {', '.join(sorted(large))}.\n")
    return 1 if large else 0


def sign_in(browser: Browser, options: Any) -> Any:
    """Return the cookies of somebody who has signed in."""
    context = browser.new_context(base_url=options.url)
    page = context.new_page()
    page.goto(f"{ADMIN}/login/")
    page.fill("[name=username]", options.user)
    page.fill("[name=password]", options.password)
    page.click("[type=submit]")
    page.wait_for_selector("h1:has-text('Home')")
    state = context.storage_state()
    context.close()
    return state


def tell_a_story(browser: Browser, state: Any, options: Any) -> None:
    """Send events while SendGrid is down for a moment and PagerDuty refuses some."""
    key = make_key(browser, state, options.url)
    for number in range(12):
        send(options.url, key, [order(number) for _ in range(1 + number % 4)])
        time.sleep(1)
    down = {"errors": [{"message": "The service is not available", "field": None}]}
    fail(options.sandbox, "sendgrid", status=503, times=3, body=down)
    send(options.url, key, [order(99)])
    time.sleep(12)
    fail(options.sandbox, "sendgrid", status=503, times=0)
    fail(options.sandbox, "slack", status=429, times=1, headers={"retry-after": "120"}, body={"ok": False})
    send(options.url, key, [order(7), order(8)])
    time.sleep(2)
    fail(options.sandbox, "pagerduty", status=400, times=3, body={"message": "Event object is invalid"})
    send(options.url, key, [alarm("web-3"), alarm("web-4"), alarm("db-1")])
    time.sleep(6)
    fail(options.sandbox, "pagerduty", status=400, times=0)


def make_key(browser: Browser, state: Any, url: str) -> str:
    """Make an API key as an admin does, and return it."""
    context = browser.new_context(base_url=url, storage_state=state)
    page = context.new_page()
    page.goto(f"{ADMIN}/accounts/apikey/add/")
    page.fill("[name=name]", f"Shop {secrets.token_hex(2)}")
    page.locator("[name=scopes][value='events:write']").check(force=True)
    page.locator("button[type=submit][name=_save]").click()
    key = page.locator("#key").inner_text().strip()
    context.close()
    return key


def order(number: int) -> dict[str, Any]:
    """Return an event of the demo's shop."""
    first, last, company = PEOPLE[number % len(PEOPLE)]
    customer = {
        "email": f"{first}.{last}@example.com".lower(),
        "first_name": first,
        "last_name": last,
        "company": company,
    }
    key = f"A-{secrets.randbelow(90_000) + 10_000}"
    data = {"id": key, "total": 20 + number * 7.5, "currency": "EUR", "customer": customer}
    return {"type": "order.paid", "source": "/shop", "subject": key, "data": data}


def alarm(server: str) -> dict[str, Any]:
    """Return an event of the demo's monitoring."""
    data = {"server": server, "reason": "No answer for 60 seconds", "level": "major"}
    return {"type": "server.down", "source": "/monitoring", "subject": server, "data": data}


def send(url: str, key: str, events: list[dict[str, Any]]) -> None:
    """Post events to the hub."""
    post(f"{url}/api/events", events, {"Authorization": f"Bearer {key}"})


def fail(sandbox: str, slug: str, **script: Any) -> None:
    """Script failures of one provider in the sandbox."""
    post(f"{sandbox}/__fail__", {"slug": slug, **script}, {})


def post(url: str, body: Any, headers: dict[str, str]) -> None:
    """Post JSON; raise for a refusal."""
    requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()


def take(browser: Browser, state: Any, url: str) -> None:
    """Photograph the pages."""
    wide: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
    narrow: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5}
    for theme, look in (
        ("light", {**wide, "color_scheme": "light"}),
        ("dark", {**wide, "color_scheme": "dark"}),
        ("dark-narrow", {**narrow, "color_scheme": "dark"}),
    ):
        context = browser.new_context(base_url=url, storage_state=state, **look)
        page = context.new_page()
        for name, address in pages(page, theme).items():
            page.goto(address)
            page.wait_for_timeout(1500)
            if name == "event":
                # The delivery that a fallback took over, from its head on.
                card = page.locator("main section, main .ic-card").filter(has_text="took over").last
                card.evaluate("e => window.scrollTo(0, e.getBoundingClientRect().top + window.scrollY - 16)")
            page.screenshot(path=FOLDER / f"{name}-{theme}.png")
        context.close()


def pages(page: Page, theme: str) -> dict[str, str]:
    """Return what is photographed in a theme: name and address."""
    story = first(page, f"{ADMIN}/delivery/queueitem/?q=&state__exact=completed", "Amazon SES")
    event = story and through(page, story, "a[href*='/events/event/']")
    home = f"{ADMIN}/?span=1h"
    if theme == "dark":
        return {"home": home}
    if theme == "dark-narrow":
        return {"event": event}
    return {
        "home": home,
        "connect": f"{ADMIN}/connections/integration/connect/",
        "connect-form": f"{ADMIN}/connections/integration/connect/stripe/",
        "mapping": first(page, f"{ADMIN}/mapping/fieldmapping/", "Order → contact"),
        "event": event,
        "routes": f"{ADMIN}/events/route/",
        "webhook": first(page, f"{ADMIN}/webhooks/webhookendpoint/", "Stripe"),
        "queue": f"{ADMIN}/delivery/queueitem/",
    }


def first(page: Page, address: str, words: str) -> str:
    """Return the page of the first row of a list that holds ``words``."""
    page.goto(address)
    row = page.locator("#result_list tbody tr", has_text=words).first
    return str(row.locator("a[href*='/change/']").first.get_attribute("href"))


def through(page: Page, address: str, link: str) -> str:
    """Return where a link on a page's content leads."""
    page.goto(address)
    return str(page.locator(f"main {link}").first.get_attribute("href"))


if __name__ == "__main__":
    raise SystemExit(main())
