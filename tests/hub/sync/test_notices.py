"""A webhook brings the pull forward, once for many; what it tells is gone is gone at once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.sync import notices
from hub.sync.models import Record, RunState, Sync, SyncRun
from hub.sync.run import run_until_idle
from hub.sync.starting import start, start_due
from integrations.base import registry
from integrations.base.webhooks import Notice
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(pull: Sync, crm: Crm, monkeypatch: pytest.MonkeyPatch) -> Sync:
    """A pull whose provider tells by webhooks."""
    known = crm.provider()
    people = replace(known.pulls[0], told_by=("crm.person.*",), gone_by=("crm.person.gone",))
    monkeypatch.setattr(registry, "providers", lambda: {"crm": replace(known, pulls=(people,))})
    crm.pages = [[{"id": "1", "name": "Ann"}, {"id": "2", "name": "Ben"}]]
    start(pull)
    run_until_idle()
    pull.refresh_from_db()
    return pull


def tell(sync: Sync, *types: str, subject: str = "1") -> None:
    notices.told(sync.integration, [Notice(id=name, type=name, data={}, subject=subject) for name in types])
    sync.refresh_from_db()


def test_many_notices_make_one_pull_soon(told: Sync):
    told.cron = "0 6 * * *"
    told.save()
    tell(told, "crm.person.changed", "crm.person.changed")
    soon = told.next_run_at
    assert soon is not None
    assert soon <= timezone.now() + notices.SOON
    tell(told, "crm.person.changed")
    assert told.next_run_at == soon
    assert start_due(soon) == 1
    run = SyncRun.objects.latest("created_at")
    assert (run.origin, run.since) == ("webhook", told.read_until)
    told.refresh_from_db()
    assert told.next_run_at is not None
    assert told.next_run_at > soon  # the schedule goes on as it was
    assert not told.nudged


def test_a_notice_during_a_run_is_kept_for_the_next(told: Sync):
    start(told)
    tell(told, "crm.person.changed")
    at = told.next_run_at
    assert at is not None
    assert start_due(at) == 0
    told.refresh_from_db()
    assert told.next_run_at is not None
    assert told.next_run_at > at
    SyncRun.objects.update(state=RunState.COMPLETED)
    assert start_due(told.next_run_at + timedelta(seconds=1)) == 1


@pytest.mark.parametrize("off", [{"enabled": False}, {"on_webhook": False}])
def test_a_sync_that_does_not_listen_is_left_alone(told: Sync, off: dict[str, bool]):
    Sync.objects.update(**off)
    tell(told, "crm.person.changed", "crm.person.gone")
    assert told.next_run_at is None
    assert not Record.objects.filter(deleted=True).exists()


def test_other_notices_are_none_of_its_business(told: Sync):
    tell(told, "crm.invoice.paid")
    assert told.next_run_at is None


def test_what_is_gone_there_is_deleted_at_once_and_not_sent_back(told: Sync, push: Sync, crm: Crm):
    tell(told, "crm.person.gone")
    assert told.next_run_at is None  # nothing to read for that
    record = Record.objects.get(key="1")
    assert (record.deleted, record.origin) == (True, told.integration)
    push.delete_policy, push.delete_action = "delete", "remove"
    push.save()
    start(push)
    run_until_idle()
    assert (crm.removed, crm.batches) == ([], [])
    tell(told, "crm.person.gone", subject="unknown")
    assert Record.objects.filter(deleted=True).count() == 1
