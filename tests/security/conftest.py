"""Two organizations that know nothing of each other."""

from collections.abc import Iterator

import pytest

from hub.api.authentication import keys
from hub.lib import throttle
from hub.sync.models import Conflict, RunChange, SyncRun
from tests import factories as make
from tests.hub.dashboard.world import World, build

#: Stands in every name of the strangers; no answer to anybody else may hold it.
MARK = "Strangers-mark-5b1e"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    throttle.forget()
    keys.clear()
    yield
    throttle.forget()
    keys.clear()


def syncing(world: World) -> World:
    """Add a sync, a run of it that waits, and a conflict that nobody decided."""
    rows = world.rows
    sync = make.SyncFactory(type=rows["record_type"], integration=rows["integration"])
    run = SyncRun.objects.create(organization=world.organization, sync=sync, dry_run=True)
    RunChange.objects.create(run=run, key="k1", kind="created", after={})
    conflict = Conflict.objects.create(
        organization=world.organization,
        sync=sync,
        integration=rows["integration"],
        record=rows["record"],
        fields={"name": {"hub": "Anna", "provider": "Anne"}},
    )
    rows |= {"sync": sync, "sync_run": run, "conflict": conflict}
    return world


@pytest.fixture
def world(db: None) -> World:
    """The organization of the people who ask."""
    return syncing(build())


@pytest.fixture
def strangers(db: None) -> World:
    """Another organization: a row of everything, each with a name that is found again."""
    made = syncing(build())
    for row in made.rows.values():
        for column in ("name", "subject", "summary", "message", "reason"):
            if any(field.name == column for field in row._meta.fields):
                setattr(row, column, MARK)
        row.save()
    made.organization.refresh_from_db()
    return made
