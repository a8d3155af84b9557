"""A pull reads page by page into records, goes on where it was, and sends nothing back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.mapping.models import FieldMapping
from hub.sync import leases
from hub.sync.models import ExternalLink, Record, RunState, Sync, SyncRun, Winner
from hub.sync.records import Given, delete, upsert
from hub.sync.run import advance, run_until_idle
from hub.sync.starting import start
from integrations.base.errors import TransientError
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db


def rows(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"id": key, "name": name} for key, name in pairs]


def go(sync: Sync, **options: object) -> SyncRun:
    run = start(sync, **options)
    run_until_idle()
    run.refresh_from_db()
    return run


def counts(run: SyncRun) -> dict[str, int]:
    names = ("created", "updated", "deleted", "unchanged", "rejected", "skipped")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def test_pages_become_records_and_the_next_pull_asks_for_less(pull: Sync, crm: Crm):
    crm.pages = [rows(("1", "Ann"), ("2", "Ben")), rows(("3", "Cy"))]
    before = timezone.now()
    run = go(pull)
    assert (run.state, counts(run)) == (RunState.COMPLETED, {"created": 3})
    assert crm.asked == [(None, None), ("1", None)]
    record = Record.objects.get(key="1")
    assert (record.data, record.origin, record.subject) == (
        {"id": "1", "name": "Ann"},
        pull.integration,
        "Ann",
    )
    link = ExternalLink.objects.get(record=record)
    assert (link.external_id, link.read, link.fingerprint) == ("1", record.data, record.fingerprint)

    crm.pages = [rows(("1", "Anna"), ("2", "Ben"))]
    pull.refresh_from_db()
    assert counts(go(pull)) == {"updated": 1, "unchanged": 1}
    since = crm.asked[-1][1]
    assert since is not None
    assert before - timedelta(minutes=3) < since < before
    go(pull, full=True)
    assert crm.asked[-1][1] is None


def test_what_was_read_is_not_sent_back_and_what_was_sent_is_no_news(push: Sync, pull: Sync, crm: Crm):
    crm.pages = [rows(("1", "Ann"))]
    go(pull)
    assert counts(go(push)) == {"unchanged": 1}
    assert crm.batches == []
    upsert(pull.type, [Given("1", {"id": "1", "name": "Bea"})])
    assert counts(go(push)) == {"updated": 1}
    crm.pages = [[{"id": "1", "name": "Bea"}]]
    assert counts(go(pull)) == {"unchanged": 1}
    # There and back to what was sent once: it is not there any more, so it goes out.
    crm.pages = [[{"id": "1", "name": "Cy"}]]
    go(pull)
    upsert(pull.type, [Given("1", {"id": "1", "name": "Bea"})])
    assert counts(go(push)) == {"updated": 1}


def test_fields_that_only_the_hub_has_stay_and_are_sent(push: Sync, pull: Sync, crm: Crm):
    upsert(pull.type, [Given("1", {"id": "1", "note": "hub's own"})])
    crm.pages = [rows(("1", "Ann"))]
    go(pull)
    assert Record.objects.get().data == {"id": "1", "note": "hub's own", "name": "Ann"}
    assert counts(go(push)) == {"updated": 1}
    assert counts(go(pull)) == {"unchanged": 1}
    assert counts(go(push)) == {"unchanged": 1}


def test_a_row_is_found_by_its_id_there_even_where_its_key_changed(pull: Sync, crm: Crm):
    pull.type.key_field = "email"
    pull.type.save()
    crm.pages = [[{"id": "7", "email": "ann@example.com"}]]
    go(pull)
    crm.pages = [[{"id": "7", "email": "anna@example.com"}]]
    assert counts(go(pull)) == {"updated": 1}
    assert Record.objects.get().key == "ann@example.com"


def test_rows_are_mapped_and_what_cannot_be_is_told(pull: Sync, crm: Crm):
    pull.mapping = FieldMapping.objects.create(
        organization=pull.organization,
        name="in",
        slug="in",
        rules=[
            {"source": "id", "target": "id"},
            {"source": "data.props.first", "target": "name", "required": True},
        ],
    )
    pull.save()
    crm.pages = [[{"id": 1, "props": {"first": "Ann"}}, {"id": 2, "props": {}}]]
    run = go(pull)
    assert counts(run) == {"created": 1, "rejected": 1}
    assert run.rejected_rows.get().key == "2"
    assert Record.objects.get().data == {"id": "1", "name": "Ann"}


def test_a_deletion_over_there_is_noticed_and_one_here_is_not_undone(pull: Sync, crm: Crm):
    pull.deleted_path = "archived"
    pull.save()
    crm.pages = [rows(("1", "Ann"), ("2", "Ben"))]
    go(pull)
    crm.pages = [[{"id": "1", "name": "Ann", "archived": True}, {"id": "9", "archived": True}]]
    assert counts(go(pull)) == {"deleted": 1, "skipped": 1}
    assert Record.objects.get(key="1").deleted
    delete(pull.type, "2")
    crm.pages = [rows(("2", "Ben"))]
    assert counts(go(pull)) == {"skipped": 1}
    crm.pages = [rows(("2", "Bob"))]
    assert counts(go(pull)) == {"updated": 1}


@pytest.mark.parametrize(("wins", "name"), [(Winner.PROVIDER, "theirs"), (Winner.HUB, "ours")])
def test_who_wins_where_both_changed_is_said_by_the_sync(pull: Sync, crm: Crm, wins: Winner, name: str):
    pull.wins = wins
    pull.save()
    crm.pages = [rows(("1", "Ann"))]
    go(pull)
    upsert(pull.type, [Given("1", {"id": "1", "name": "ours"})])
    crm.pages = [rows(("1", "theirs"))]
    go(pull)
    assert Record.objects.get().data["name"] == name


def test_a_failure_goes_on_at_the_page_where_it_stopped(pull: Sync, crm: Crm):
    pull.integration.quick_delay = 0
    pull.integration.save()
    crm.pages = [rows(("1", "Ann")), rows(("2", "Ben"))]
    crm.fails = [TransientError("Down.")]
    assert counts(go(pull)) == {"created": 2}
    assert [cursor for cursor, _ in crm.asked] == [None, None, "1"]


def test_a_dead_workers_run_goes_on_at_the_page_after_the_last_settled(pull: Sync, crm: Crm):
    crm.pages = [rows((str(n), f"N{n}")) for n in range(4)]
    start(pull)
    held = leases.claim("dead", -1, timezone.now())
    assert held is not None
    advance(held, longest=0)  # one page, then its slice is over
    assert Record.objects.count() == 1
    SyncRun.objects.update(state=RunState.RUNNING, lease_until=timezone.now() - timedelta(seconds=1))
    run_until_idle()
    assert [cursor for cursor, _ in crm.asked] == [None, "1", "2", "3"]
    assert (Record.objects.count(), SyncRun.objects.get().created) == (4, 4)


def test_a_dry_run_reads_and_writes_nothing(pull: Sync, crm: Crm):
    crm.pages = [rows(("1", "Ann"))]
    assert counts(go(pull, dry_run=True)) == {"created": 1}
    assert not Record.objects.exists()
    pull.refresh_from_db()
    assert pull.read_until is None


def test_records_that_do_not_fit_their_schema_are_not_taken(pull: Sync, crm: Crm):
    pull.type.schema = {"properties": {"name": {"type": "string", "maxLength": 3}}}
    pull.type.save()
    crm.pages = [rows(("1", "Ann"), ("2", "Benjamin"))]
    run = go(pull)
    assert counts(run) == {"created": 1, "rejected": 1}
    assert "Benjamin" in run.rejected_rows.get().reason
