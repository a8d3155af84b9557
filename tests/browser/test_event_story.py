"""An event's page as a person reads it, and the route's form that says what it takes."""

from django.utils import timezone
from playwright.sync_api import expect

from hub.accounts.models import Role
from hub.delivery.models import QueueItem, State
from tests import factories as make
from tests.plugins.browser import SignIn, shoot

EXCHANGE = {
    "method": "POST",
    "url": "https://mail.example.com/v3/mail/send",
    "request_headers": {"Authorization": "***"},
    "request_body": '{"to": "ann@example.com"}',
    "status": 503,
    "response_headers": {},
    "response_body": '{"error": "overloaded"}',
    "duration_ms": 12,
}


def failed_item(role: Role = Role.OPERATOR) -> tuple[object, QueueItem]:
    """A member and a delivery that failed at the first integration and at the one that took over."""
    membership = make.MembershipFactory(role=role)
    organization = membership.organization
    first = make.IntegrationFactory(organization=organization, provider_slug="sendgrid", name="SendGrid")
    second = make.IntegrationFactory(organization=organization, provider_slug="amazon_ses", name="SES")
    route = make.RouteFactory(organization=organization, integration=first, name="Receipts")
    routing = [{"route": str(route.pk), "name": "Receipts", "outcome": "queued", "reason": ""}]
    event = make.EventFactory(organization=organization, routing=routing)
    targets = [
        {"integration": str(row.pk), "action": "email.send", "mapping": None} for row in (first, second)
    ]
    item = make.QueueItemFactory(
        event=event,
        integration=second,
        action="email.send",
        route_id=route.pk,
        targets=targets,
        target_index=1,
        state=State.FAILED,
        attempts=2,
        finished_at=timezone.now(),
        last_error="The address is on the suppression list.",
    )
    for number, integration in enumerate((first, second), 1):
        make.IntegrationLogFactory(
            integration=integration,
            item_id=item.pk,
            source_id=event.pk,
            attempt=number,
            outcome="transient" if number == 1 else "permanent",
            message="It was overloaded." if number == 1 else item.last_error,
            status_code=503 if number == 1 else 400,
            exchanges=[EXCHANGE],
        )
    return membership, item


def test_the_story_is_read_unfolded_and_acted_on(sign_in: SignIn) -> None:
    membership, item = failed_item()
    page = sign_in(membership)
    page.goto(f"/admin/events/event/{item.source_id}/change/")
    for heading in ("Received", "Routed", "Delivered"):
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Receipts")).to_be_visible()
    delivery = page.get_by_role("region", name="SES: Send an e-mail")
    expect(delivery.get_by_text("SendGrid (given up)")).to_be_visible()
    expect(delivery.get_by_text("It was overloaded.")).to_be_visible()
    expect(page.get_by_text("overloaded", exact=False).filter(has_text="error")).to_have_count(0)

    delivery.get_by_text("Request and answer").first.click()
    expect(delivery.get_by_text(EXCHANGE["url"])).to_be_visible()
    expect(delivery.get_by_text('"error": "overloaded"')).to_be_visible()
    shoot(page, "event-story")

    delivery.get_by_role("button", name="Retry now").click()
    expect(page.get_by_text("It is due now.")).to_be_visible()
    expect(page).to_have_url(page.url)
    item.refresh_from_db()
    assert (item.state, item.target_index) == (State.PENDING, 0)


def test_the_page_follows_a_delivery_until_it_is_settled(sign_in: SignIn) -> None:
    membership, item = failed_item()
    QueueItem.objects.filter(pk=item.pk).update(state=State.PENDING, due_at=timezone.now(), finished_at=None)
    page = sign_in(membership)
    page.goto(f"/admin/events/event/{item.source_id}/change/")
    expect(page.get_by_text("This page looks for news by itself.")).to_be_visible()
    QueueItem.objects.filter(pk=item.pk).update(state=State.COMPLETED, finished_at=timezone.now())
    expect(page.get_by_text("1 delivery: 1 delivered.")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("This page looks for news by itself.")).to_have_count(0)


def test_a_delivery_s_own_page_follows_its_replay_until_all_is_finished(sign_in: SignIn) -> None:
    membership, item = failed_item()
    page = sign_in(membership)
    page.goto(f"/admin/delivery/queueitem/{item.pk}/change/")
    assert page.locator(".ic-page [hx-trigger]").count() == 0
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("This is the new delivery.")).to_be_visible()
    expect(page.get_by_text("This page looks for news by itself.")).to_be_visible()
    replay = QueueItem.objects.exclude(pk=item.pk).get()
    # As between a worker's two looks at the database: the attempt is there, the state still the old one.
    QueueItem.objects.filter(pk=replay.pk).update(state=State.PROCESSING)
    head = page.locator(".ic-head")
    expect(head.get_by_text("Processing")).to_be_visible(timeout=10_000)
    make.IntegrationLogFactory(
        integration=replay.integration, item_id=replay.pk, source_id=replay.source_id, attempt=1, outcome="ok"
    )
    expect(page.get_by_role("heading", name="Attempt 1 at SendGrid")).to_be_visible(timeout=10_000)
    shoot(page, "delivery-live")
    QueueItem.objects.filter(pk=replay.pk).update(state=State.COMPLETED, finished_at=timezone.now())
    expect(head.get_by_text("Completed")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="Replay")).to_be_visible()
    expect(page.get_by_text("This page looks for news by itself.")).to_have_count(0)
    assert page.locator(".ic-page [hx-trigger]").count() == 0


def test_a_viewer_reads_and_cannot_act(sign_in: SignIn) -> None:
    membership, item = failed_item(Role.VIEWER)
    page = sign_in(membership)
    page.goto(f"/admin/events/event/{item.source_id}/change/")
    page.get_by_text("Request and answer").first.click()
    expect(page.get_by_text(EXCHANGE["url"])).to_be_visible()
    for button in ("Retry now", "Replay", "Cancel"):
        expect(page.get_by_role("button", name=button)).to_have_count(0)


def test_a_route_tells_what_it_takes_while_it_is_typed(sign_in: SignIn) -> None:
    membership = make.MembershipFactory()
    for total in (5, 500):
        make.EventFactory(
            organization=membership.organization, subject=f"order-{total}", data={"total": total}
        )
    page = sign_in(membership)
    page.goto("/admin/events/route/add/")
    told = page.locator("#route-check")
    page.get_by_label("Event types").fill("order paid")
    expect(told.get_by_text("A type pattern has letters")).to_have_count(1)
    page.get_by_label("Event types").fill("order.*")
    expect(told).to_contain_text("of the newest 2 events fit.")
    page.get_by_label("Filter").fill("data.total > `100`")
    expect(told).to_contain_text("of the newest 2 events with a type that fits passes the filter.")
    expect(told.get_by_role("link")).to_have_text(["order.paid order-500"])
    shoot(page, "route-check")


def test_on_a_narrow_screen_each_cell_says_its_column(sign_in: SignIn) -> None:
    membership, item = failed_item()
    page = sign_in(membership, viewport={"width": 390, "height": 844})
    page.goto(f"/admin/events/event/{item.source_id}/change/")
    row = page.get_by_role("row", name="Receipts")
    shown = row.locator("td").evaluate_all(
        "cells => cells.map((cell) => getComputedStyle(cell, '::before').content)"
    )
    assert shown == ["none", '"Decision: "', '"Why: "']
