"""One worker at a time holds a row; who lost it writes nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.files.models import FileImport, ImportState
from hub.lib.held import RUNNING, Lost, take, write
from hub.sync.models import RunState, SyncRun
from hub.sync.starting import start
from tests.factories import RecordTypeFactory, SyncFactory

pytestmark = pytest.mark.django_db


def run() -> SyncRun:
    return start(SyncFactory())


def file() -> FileImport:
    kind = RecordTypeFactory()
    return FileImport.objects.create(
        organization=kind.organization, type=kind, name="a.csv", state=ImportState.PENDING
    )


@pytest.mark.parametrize("make", [run, file])
def test_who_lost_a_row_writes_nothing(make: Any):
    row, now = make(), timezone.now()
    take(row, 30, now)
    assert (row.fence, row.lease_until, row.started_at) == (1, now + timedelta(seconds=30), now)
    write(row, message="mine")
    other = type(row).objects.get(pk=row.pk)
    take(other, 30, now + timedelta(minutes=1))
    assert other.started_at == now
    with pytest.raises(Lost):
        write(row, message="late")
    write(other, message="other's")
    row.refresh_from_db()
    assert (row.message, row.fence) == ("other's", 2)


@pytest.mark.parametrize("make", [run, file])
def test_what_was_ended_is_not_written_to(make: Any):
    row = make()
    take(row, 30, timezone.now())
    type(row).objects.update(state="cancelled")
    with pytest.raises(Lost, match=str(row.pk)):
        write(row, message="late")


def test_a_running_row_says_so_in_every_model():
    assert RunState.RUNNING == ImportState.RUNNING == RUNNING
