"""A sync that fails is told once, and once that it works again."""

import pytest

from hub.events.models import Event
from hub.sync.failures import failed_runs
from hub.sync.models import RunState, Sync, SyncRun
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from integrations.base.errors import PermanentError
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db


def go(sync: Sync, crm: Crm, *, fails: bool, **options: object) -> SyncRun:
    """One run, and what it came to."""
    crm.fails = [PermanentError("The account is closed.", status=403)] if fails else []
    run = start(sync, **options)
    run_until_idle()
    run.refresh_from_db()
    return run


def told() -> list[str]:
    return list(Event.objects.order_by("id").values_list("type", flat=True))


def test_it_is_told_once_until_it_works_again(pull: Sync, crm: Crm) -> None:
    first = go(pull, crm, fails=True)
    assert first.state == RunState.FAILED
    go(pull, crm, fails=True)
    assert told() == ["hub.alert"]
    alert = Event.objects.get().data
    assert "The account is closed." in alert["summary"]
    assert str(first.pk) in alert["link"]
    go(pull, crm, fails=False)
    go(pull, crm, fails=False)
    assert told() == ["hub.alert", "hub.alert.resolved"]
    ends = Event.objects.values_list("data__dedup_key", flat=True)
    assert set(ends) == {alert["dedup_key"]}


def test_a_dry_run_is_nobodys_alarm(pull: Sync, crm: Crm) -> None:
    assert go(pull, crm, fails=True, dry_run=True).state == RunState.FAILED
    assert told() == []
    assert failed_runs([pull.integration_id]) == {}


def test_a_run_that_goes_on_needs_nobody(pull: Sync, crm: Crm) -> None:
    run = go(pull, crm, fails=True)
    assert failed_runs([pull.integration_id]) == {pull.integration_id: [run]}
    start(pull)
    assert failed_runs([pull.integration_id]) == {}


def test_a_sync_that_is_switched_off_needs_nobody(pull: Sync, crm: Crm) -> None:
    go(pull, crm, fails=True)
    Sync.objects.update(enabled=False)
    assert failed_runs([pull.integration_id]) == {}
