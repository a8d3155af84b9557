"""What a pull rejected is taken again as it was read, once the mapping or the schema is mended."""

from typing import Any

import pytest
from django.utils import timezone

from hub.accounts.models import Role
from hub.sync import again, leases
from hub.sync.models import Record, RunState, Sync, SyncRun
from hub.sync.run import advance
from hub.sync.starting import start
from tests.hub.sync.conftest import Crm
from tests.hub.sync.test_admin import signed_in
from tests.hub.sync.test_pull import counts, go, rows

pytestmark = pytest.mark.django_db


def refuse(pull: Sync, *names: str) -> None:
    """Let the type's schema refuse these names; none: it takes all."""
    known: dict[str, Any] = {"properties": {"name": {"not": {"enum": list(names)}}}} if names else {}
    pull.type.schema = known
    pull.type.save()


@pytest.fixture
def rejected(pull: Sync, crm: Crm) -> SyncRun:
    """A run that took Ann, and neither Ben nor Cy."""
    refuse(pull, "Ben", "Cy")
    crm.pages = [rows(("1", "Ann"), ("2", "Ben"), ("3", "Cy"))]
    run = go(pull)
    assert counts(run) == {"created": 1, "rejected": 2}
    return run


def test_only_the_rejected_rows_are_taken_and_nothing_is_asked(
    pull: Sync, crm: Crm, rejected: SyncRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(again, "AT_ONCE", 1)
    refuse(pull, "Cy")
    asked, since = list(crm.asked), Sync.objects.get(pk=pull.pk).read_until
    run = go(pull, retry_of=rejected)
    assert (run.state, run.total, counts(run)) == (RunState.COMPLETED, 2, {"created": 1, "rejected": 1})
    assert Record.objects.get(key="2").origin == pull.integration
    assert crm.asked == asked
    assert Sync.objects.get(pk=pull.pk).read_until == since
    refuse(pull)
    assert counts(go(pull, retry_of=run)) == {"created": 1}


def test_the_rows_are_mapped_anew_from_what_was_read(pull: Sync, crm: Crm, rejected: SyncRun):
    assert [row.row for row in rejected.rejected_rows.order_by("id")] == rows(("2", "Ben"), ("3", "Cy"))


def test_the_runs_page_offers_it_for_what_was_read_too(pull: Sync, crm: Crm, rejected: SyncRun):
    refuse(pull)
    client = signed_in(pull, Role.OPERATOR)
    page = f"/admin/sync/syncrun/{rejected.pk}/"
    assert "Retry the rejected" in client.get(f"{page}change/").text
    client.post(f"{page}do/retry/")
    assert SyncRun.objects.get(retry_of=rejected).state == RunState.PENDING


@pytest.mark.parametrize("still", [(), ("Bert",)], ids=["taken since", "rejected since"])
def test_a_row_that_was_read_again_since_is_not_replaced_by_what_was_before(
    pull: Sync, crm: Crm, rejected: SyncRun, still: tuple[str, ...]
):
    refuse(pull, *still)
    crm.pages = [rows(("2", "Bert"))]
    go(pull)
    assert counts(go(pull, retry_of=rejected)) == {"created": 1, "skipped": 1}
    names = set(Record.objects.values_list("data__name", flat=True))
    assert names == {"Ann", "Cy"} | ({"Bert"} - set(still))


def test_a_run_that_stops_half_way_goes_on_behind_what_it_took(
    pull: Sync, crm: Crm, rejected: SyncRun, monkeypatch: pytest.MonkeyPatch
):
    refuse(pull)
    monkeypatch.setattr(again, "AT_ONCE", 1)
    monkeypatch.setattr("hub.sync.work.Work.late", property(lambda work: True))
    run = start(pull, retry_of=rejected)
    for done in (1, 2):
        step(run)
        assert (run.created, run.state) == (done, RunState.PENDING)
    step(run)
    assert (run.created, run.state) == (2, RunState.COMPLETED)


def step(run: SyncRun) -> None:
    """Advance a run by one slice."""
    claimed = leases.claim("worker", 60, timezone.now())
    assert claimed is not None
    advance(claimed)
    run.refresh_from_db()
