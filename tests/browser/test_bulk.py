"""Many deliveries at once: recovered, replayed and cancelled, with progress, and stopped midway."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership, Role
from hub.delivery import bulk
from hub.delivery.models import BulkRun, QueueItem, State
from tests import factories as make
from tests.plugins.browser import SignIn, shoot


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's step is two items, so that a run of five has a midway."""
    monkeypatch.setattr(bulk, "STEP", 2)


@pytest.fixture
def operator(transactional_db: None) -> Membership:
    return make.MembershipFactory(role=Role.OPERATOR)


def deliveries(membership: Membership, count: int, state: State, **more: Any) -> list[QueueItem]:
    integration = make.IntegrationFactory(
        organization=membership.organization, name="Shop hook", rate_count=1, rate_seconds=60
    )
    finished = None if state == State.PENDING else timezone.now()
    return [
        make.QueueItemFactory(
            integration=integration, state=state, finished_at=finished, last_error="Refused.", **more
        )
        for _ in range(count)
    ]


def percent(page: Page) -> float | None:
    value = page.get_by_label("Progress of the run").get_attribute("value")
    return float(value) if value else None


def test_everything_that_failed_since_is_recovered(sign_in: SignIn, operator: Membership) -> None:
    items = deliveries(operator, 5, State.FAILED)
    before = items[0]
    QueueItem.objects.filter(pk=before.pk).update(finished_at=timezone.now() - timedelta(days=2))
    page = sign_in(operator)
    page.get_by_role("link", name="Recover since …").click()
    expect(page.get_by_label("With deliveries that are")).to_have_value("failed")
    since = timezone.localtime() - timedelta(hours=3)
    page.get_by_label("Since").fill(f"{since:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Look first").click()
    # The count and the time it takes come first; nothing has moved.
    expect(page.get_by_text("Retry 4 failed deliveries to Shop hook, since")).to_be_visible()
    expect(page.get_by_text("the last one is sent in about 4 minutes")).to_be_visible()
    assert QueueItem.objects.filter(state=State.FAILED).count() == 5
    shoot(page, "bulk-recover")

    page.get_by_role("button", name="Start: retry 4").click()
    expect(page.get_by_text("0 of 4 looked at")).to_be_visible()
    bulk.work()
    expect(page.get_by_text("2 of 4 looked at")).to_be_visible()
    assert percent(page) == 50
    shoot(page, "bulk-midway")
    while bulk.work():
        pass
    expect(page.get_by_text("100 %")).to_be_visible()
    expect(page.get_by_text("Completed")).to_be_visible()
    assert QueueItem.objects.filter(state=State.PENDING).count() == 4
    before.refresh_from_db()
    assert before.state == State.FAILED


def test_a_run_is_stopped_midway_and_what_is_done_stays(sign_in: SignIn, operator: Membership) -> None:
    deliveries(operator, 5, State.COMPLETED, label="order.paid")
    page = sign_in(operator)
    page.goto("/admin/delivery/queueitem/")
    page.get_by_role("link", name="Retry, cancel or replay many").click()
    page.get_by_label("What to do").select_option("replay")
    page.get_by_label("With deliveries that are").select_option("completed")
    page.get_by_label("Event type").fill("order.*")
    page.get_by_role("button", name="Look first").click()
    page.get_by_role("button", name="Start: replay 5").click()
    expect(page.get_by_text("0 of 5 looked at")).to_be_visible()
    bulk.work()
    expect(page.get_by_text("2 of 5 looked at")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped. What is done stays done.")).to_be_visible()
    assert bulk.work() == 0
    assert BulkRun.objects.get().state == BulkRun.State.CANCELLED
    assert QueueItem.objects.filter(replay_of__isnull=False).count() == 2
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    shoot(page, "bulk-stopped")
    page.get_by_role("link", name="Bulk runs").first.click()
    expect(page.get_by_text("2 of 5")).to_be_visible()


def test_what_waits_is_cancelled_and_a_mistake_is_told(sign_in: SignIn, operator: Membership) -> None:
    deliveries(operator, 3, State.PENDING, subject="order-7")
    page = sign_in(operator)
    page.goto("/admin/delivery/bulkrun/new/")
    page.get_by_label("What to do").select_option("cancel")
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_text("To cancel is possible with deliveries that are: pending.")).to_be_visible()
    page.get_by_label("With deliveries that are").select_option("pending")
    page.get_by_label("Subject").fill("order-8")
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_text("Choose something else below.")).to_be_visible()
    page.get_by_label("Subject").fill("order-7")
    page.get_by_role("button", name="Look first").click()
    page.get_by_role("button", name="Start: cancel 3").click()
    expect(page.get_by_text("0 of 3 looked at")).to_be_visible()
    while bulk.work():
        pass
    expect(page.get_by_text("Completed")).to_be_visible()
    assert QueueItem.objects.filter(state=State.CANCELLED).count() == 3


def test_a_viewer_is_offered_nothing_and_gets_nothing(sign_in: SignIn) -> None:
    viewer = make.MembershipFactory(role=Role.VIEWER)
    deliveries(viewer, 1, State.FAILED)
    page = sign_in(viewer)
    expect(page.get_by_role("link", name="Recover since …")).to_have_count(0)
    page.goto("/admin/delivery/queueitem/")
    expect(page.get_by_role("link", name="Retry, cancel or replay many")).to_have_count(0)
    answer = page.goto("/admin/delivery/bulkrun/new/")
    assert answer is not None
    assert answer.status == 403
