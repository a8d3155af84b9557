"""Runs, conflicts and changed fields, as an operator meets them."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from hub.accounts.models import Membership, Role
from hub.quality.models import Drift
from hub.sync.models import Conflict, Record, RunState, Sync, SyncRun, Winner
from hub.sync.records import Given, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from tests import factories as make
from tests.hub.sync.conftest import Crm, crm, customers, pull, push  # noqa: F401 - fixtures
from tests.plugins.browser import SignIn, shoot

pytestmark = pytest.mark.timeout(300)

BATCH = 3


@pytest.fixture
def operator(transactional_db: None, push: Sync) -> Membership:  # noqa: F811
    return make.MembershipFactory(organization=push.organization, role=Role.OPERATOR, user__is_staff=False)


class Gate:
    """Lets the provider answer so many calls; the others wait."""

    def __init__(self, side: Crm):
        self._open = threading.Semaphore(0)
        side.during = lambda: self._open.acquire(timeout=120)

    def let(self, calls: int) -> None:
        self._open.release(calls)


@pytest.fixture
def work() -> Iterator[Callable[[], None]]:
    """Advance what is due in a thread, as a worker does."""
    threads: list[threading.Thread] = []

    def advance() -> None:
        try:
            run_until_idle()
        finally:
            connections.close_all()

    def begin() -> None:
        threads.append(threading.Thread(target=advance, daemon=True))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join(60)


def fill(sync: Sync, *names: str) -> None:
    upsert(sync.type, [Given(f"{n:02}", {"id": f"{n:02}", "name": name}) for n, name in enumerate(names)])


def counted(page: Page, what: str, number: int) -> None:
    expect(page.locator(".ic-tile", has_text=what).locator("dd")).to_have_text(str(number))


def test_a_run_is_watched_paused_resumed_and_what_it_rejected_sent_again(
    sign_in: SignIn,
    operator: Membership,
    push: Sync,  # noqa: F811
    crm: Crm,  # noqa: F811
    work: Callable[[], None],
    tmp_path: Path,
) -> None:
    fill(push, "bad", *(f"N{n}" for n in range(1, 4 * BATCH)))
    crm.bad, gate = {"bad"}, Gate(crm)
    page = sign_in(operator)
    page.goto(f"/admin/sync/sync/{push.pk}/change/")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_label("Progress of the run")).to_be_visible()

    work()
    gate.let(1)
    expect(page.get_by_text("25 %")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("3 of 12 rows")).to_be_visible()
    expect(page.get_by_text("a second")).to_be_visible()
    expect(page.get_by_text(re.compile(r"about [\d.]+ \w+ left"))).to_be_visible()
    counted(page, "Rejected", 1)
    shoot(page, "run-live")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("It pauses as soon as the batch under way is settled.")).to_be_visible()
    gate.let(1)
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=60_000)
    assert SyncRun.objects.get().state == RunState.PAUSED
    assert len(crm.batches) == 2

    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Resume")).to_have_count(0)
    gate.let(100)
    work()
    expect(page.get_by_text("Rejected rows")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("The name is refused.").first).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Retry the rejected")).to_be_visible(timeout=60_000)
    counted(page, "Created", 4 * BATCH - 1)
    with page.expect_download() as waited:
        page.get_by_role("link", name="All as CSV").click()
    waited.value.save_as(tmp_path / "rejected.csv")
    assert "not a name" in (tmp_path / "rejected.csv").read_text("utf-8")

    crm.bad, sent = set(), len(crm.batches)
    page.get_by_role("button", name="Retry the rejected").click()
    expect(page.get_by_role("link", name="what this run rejected")).to_be_visible()
    work()
    expect(page.get_by_text("100 %")).to_be_visible(timeout=60_000)
    counted(page, "Created", 1)
    assert crm.batches[sent:] == [["00"]]
    shoot(page, "run-done")


def test_a_dry_run_shows_what_would_change_and_a_run_is_cancelled(
    sign_in: SignIn,
    operator: Membership,
    push: Sync,  # noqa: F811
    crm: Crm,  # noqa: F811
) -> None:
    fill(push, "Ann")
    page = sign_in(operator)
    page.goto(f"/admin/sync/sync/{push.pk}/change/")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_label("Progress of the run")).to_be_visible()
    run_until_idle()
    expect(page.get_by_role("cell", name="Ann")).to_be_visible(timeout=60_000)
    assert crm.batches == []

    page.goto(f"/admin/sync/sync/{push.pk}/change/")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_label("Progress of the run")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    confirmed = page.get_by_role("dialog").get_by_role("button", name="Cancel")
    if confirmed.count():
        confirmed.click()
    expect(page.get_by_text("Cancelled").first).to_be_visible(timeout=60_000)
    assert run_until_idle() == 0
    assert (SyncRun.objects.latest("id").state, crm.batches) == (RunState.CANCELLED, [])


def test_a_conflict_is_decided_with_one_click(
    sign_in: SignIn,
    operator: Membership,
    push: Sync,  # noqa: F811
    pull: Sync,  # noqa: F811
    crm: Crm,  # noqa: F811
) -> None:
    pull.wins = Winner.ASK
    pull.save()
    crm.pages = [[{"id": "1", "name": "Ann"}]]
    start(pull)
    run_until_idle()
    upsert(pull.type, [Given("1", {"id": "1", "name": "Anna here"})])
    crm.pages = [[{"id": "1", "name": "Anne there"}]]
    start(pull, full=True)
    run_until_idle()

    page = sign_in(operator)
    page.goto("/admin/sync/conflict/")
    page.get_by_role("link", name="Anna here").click()
    expect(page.get_by_text("Which value is right?")).to_be_visible()
    for value in ("Anna here", "Anne there"):
        expect(page.locator("#changelist-form, main").get_by_text(value).first).to_be_visible()
    shoot(page, "conflict")
    page.get_by_role("button", name="Take the integration's").click()
    expect(page.get_by_text("Decided for")).to_be_visible()
    assert Conflict.objects.get().chosen == Winner.PROVIDER
    assert Record.objects.get().data["name"] == "Anne there"
    start(push)
    run_until_idle()
    assert crm.batches == []  # what came from there does not go back


def test_changed_fields_of_a_provider_are_shown_as_a_difference_and_told_once(
    sign_in: SignIn,
    operator: Membership,
    pull: Sync,  # noqa: F811
    crm: Crm,  # noqa: F811
) -> None:
    def read(**more: object) -> None:
        crm.pages = [[{"id": str(n), "name": f"N{n}", **more} for n in range(6)]]
        start(pull, full=True)
        run_until_idle()

    read(age=30)
    assert not Drift.objects.exists()
    read(age="thirty", city="Berlin")
    read(age="thirty", city="Berlin")
    assert Drift.objects.count() == 1

    page = sign_in(operator)
    expect(page.get_by_text("Providers changed their fields")).to_be_visible()
    page.get_by_role("link", name="people").click()
    expect(page.get_by_text("What changed against the read before")).to_be_visible()
    expect(page.get_by_role("row", name="age Other type number text")).to_be_visible()
    expect(page.get_by_role("row", name="city")).to_contain_text("not there")
    shoot(page, "drift")
    page.get_by_role("button", name="I have seen it").click()
    expect(page.get_by_role("button", name="I have seen it")).to_have_count(0)
    page.goto("/admin/")
    expect(page.get_by_text("Providers changed their fields")).to_have_count(0)
