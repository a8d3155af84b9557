"""What a worker does with runs beside delivering, and what the scheduler does."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.delivery.jobs import scheduled_jobs, worker_jobs
from hub.sync import jobs, leases, run
from hub.sync.models import RunState, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.starting import start
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db(transaction=True)


def test_workers_and_scheduler_have_their_part():
    assert "syncs" in {job.name for job in worker_jobs()}
    assert {"scheduled syncs", "prune sync runs"} <= set(scheduled_jobs())


def test_a_due_run_is_advanced_in_a_thread_of_its_own(push: Sync, crm: Crm):
    upsert(push.type, [Given("1", {"id": "1", "name": "Ann"})])
    begun = start(push)
    assert run.advance_due() == 1
    deadline = time.monotonic() + 20
    while SyncRun.objects.get().state != RunState.COMPLETED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert crm.people == {"1": "Ann"}
    assert run.advance_due() == 0
    begun.refresh_from_db()
    assert begun.finished_at is not None


def test_what_cannot_be_run_fails_and_says_what_to_mend(push: Sync, crm: Crm):
    Sync.objects.update(action="gone")
    start(push)
    run.run_until_idle()
    failed = SyncRun.objects.get()
    assert failed.state == RunState.FAILED
    assert "'gone'" in failed.message
    assert "resume the run" in failed.message


def test_a_fault_in_a_providers_code_is_told_and_ends_no_worker(push: Sync, crm: Crm):
    def broken() -> None:
        raise RuntimeError("a bug")

    crm.during = broken
    push.integration.schedule, push.integration.quick_tries = [], 1
    push.integration.save()
    upsert(push.type, [Given("1", {"id": "1", "name": "Ann"})])
    start(push)
    run.run_until_idle()
    failed = SyncRun.objects.get()
    assert failed.state == RunState.FAILED
    assert "own code failed" in failed.message


def test_finished_runs_go_when_their_time_is_over(push: Sync):
    old = start(push)
    SyncRun.objects.filter(pk=old.pk).update(
        state=RunState.COMPLETED, finished_at=timezone.now() - timedelta(days=400)
    )
    young = start(push)
    assert jobs.prune() == 1
    assert SyncRun.objects.get() == young


def test_a_clock_set_forward_takes_no_run_from_a_worker_that_lives(push: Sync, monkeypatch):
    start(push)
    held = leases.claim("other", 60, timezone.now())
    assert held is not None
    run._steady()
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(hours=1))
    assert run.advance_due() == 0
    assert SyncRun.objects.get().lease_owner == "other"
    assert leases.claim("me", 60, timezone.now()) is not None  # what would have happened


def test_a_clock_set_back_holds_no_run_for_as_long(push: Sync, monkeypatch):
    start(push)
    assert leases.claim("dead", 60, timezone.now() + timedelta(hours=1)) is not None
    leases.set_back(timezone.now(), -3600, 60)
    until = SyncRun.objects.get().lease_until
    assert until is not None
    assert until <= timezone.now() + timedelta(seconds=60)
