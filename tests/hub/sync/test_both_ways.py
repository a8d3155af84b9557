"""Both sides change: who is right by field, what a person decides, and nothing that goes round in circles."""

from typing import Any

import pytest
from django.utils import timezone

from hub.sync import conflicts
from hub.sync.merge import Facts, merge
from hub.sync.models import Conflict, ExternalLink, Record, Sync, SyncRun, Winner
from hub.sync.records import Given, delete, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db

OLD, NEW = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


def go(sync: Sync, **options: object) -> SyncRun:
    sync.save()
    run = start(sync, **options)
    run_until_idle()
    run.refresh_from_db()
    return run


def change(sync: Sync, **data: Any) -> None:
    upsert(sync.type, [Given("1", {"id": "1", **data})])


def there(crm: Crm, **data: Any) -> None:
    crm.pages = [[{"id": "1", **data}]]


def here() -> dict[str, Any]:
    return Record.objects.get(key="1").data


@pytest.fixture
def both(push: Sync, pull: Sync, crm: Crm) -> Sync:
    """A pull whose record both sides have, and have changed: the name, and one more field each."""
    there(crm, name="Ann", city="Rome", phone="1")
    go(pull)
    change(pull, name="Anna", city="Rome", phone="2")
    there(crm, name="Anne", city="Oslo", phone="1")
    return pull


@pytest.mark.parametrize(
    ("mine", "theirs", "was", "facts", "expected"),
    [
        ("a", "b", "a", Facts(unsent=False), "b"),
        ("a", "b", "b", Facts(unsent=True), "a"),
        ("a", "b", "a", Facts(unsent=True, wins=Winner.HUB), "b"),
        ("a", "b", "c", Facts(unsent=True, wins=Winner.HUB), "a"),
        ("a", "b", "c", Facts(unsent=True, wins=Winner.PROVIDER), "b"),
        ("a", "b", "c", Facts(unsent=True, newer=True, wins=Winner.NEWEST), "b"),
        ("a", "b", "c", Facts(unsent=True, newer=False, wins=Winner.NEWEST), "a"),
        ("a", "b", "a", Facts(unsent=False, field_wins={"f": "hub"}), "a"),
        ("a", "b", "c", Facts(unsent=True, wins=Winner.HUB, field_wins={"f": "provider"}), "b"),
    ],
)
def test_a_field_goes_by_who_changed_it_and_by_its_truth(mine, theirs, was, facts, expected):
    merged = merge({"f": mine}, {"f": theirs}, {"f": was}, facts)
    assert (merged.data, merged.conflicts) == ({"f": expected}, {})
    assert merged.in_step == (expected == theirs)


def test_a_later_change_without_a_time_is_a_question():
    facts = Facts(unsent=True, wins=Winner.NEWEST)
    assert merge({"f": "a"}, {"f": "b"}, {"f": "c"}, facts).conflicts == {"f": {"hub": "a", "provider": "b"}}


def test_each_field_keeps_the_change_of_the_side_that_made_it(both: Sync, push: Sync, crm: Crm):
    both.wins = Winner.HUB
    go(both)
    assert here() == {"id": "1", "name": "Anna", "city": "Oslo", "phone": "2"}
    assert go(push).updated == 1
    assert crm.people == {"1": "Anna"}
    there(crm, name="Anna", city="Oslo", phone="2")
    assert go(both).unchanged == 1
    assert go(push).unchanged == 1


def test_a_change_that_is_not_sent_yet_survives_reading_the_old_value(both: Sync, crm: Crm):
    there(crm, name="Ann", city="Rome", phone="1")
    go(both)
    assert here()["name"] == "Anna"


@pytest.mark.parametrize(("changed", "name"), [(OLD, "Anna"), (NEW, "Anne")])
def test_the_later_change_wins(both: Sync, crm: Crm, changed: str, name: str):
    both.wins, both.modified_path = Winner.NEWEST, "at"
    crm.pages[0][0]["at"] = changed
    go(both)
    assert here()["name"] == name


def test_a_field_of_the_hubs_own_is_never_taken_and_goes_back(both: Sync, push: Sync, crm: Crm):
    both.field_wins = {"city": "hub"}
    go(both)
    assert here()["city"] == "Rome"
    assert go(push).updated == 1


def test_a_conflict_waits_for_a_person_and_nothing_is_sent_meanwhile(both: Sync, push: Sync, crm: Crm):
    both.wins = Winner.ASK
    go(both)
    conflict = Conflict.objects.get()
    assert conflict.fields == {"name": {"hub": "Anna", "provider": "Anne"}}
    assert here() == {"id": "1", "name": "Anna", "city": "Oslo", "phone": "2"}
    assert (go(push).skipped, crm.people) == (1, {})
    go(both)  # read again: still one question
    assert Conflict.objects.count() == 1
    with pytest.raises(conflicts.Undecided):
        conflicts.decide(conflict, {"name": "maybe"}, "ann")
    conflicts.decide(conflict, "hub", "ann")
    go(both)
    assert not Conflict.objects.filter(chosen="").exists()
    assert (go(push).updated, crm.people) == (1, {"1": "Anna"})


def test_what_the_integration_wins_is_written_and_does_not_go_back(both: Sync, push: Sync, crm: Crm):
    both.wins, both.field_wins = Winner.ASK, {"phone": "provider"}
    go(both)
    conflicts.decide(Conflict.objects.get(), "provider", "ann")
    assert here() == {"id": "1", "name": "Anne", "city": "Oslo", "phone": "1"}
    assert Record.objects.get().origin == both.integration
    assert (go(push).unchanged, crm.batches) == (1, [])
    with pytest.raises(conflicts.Undecided):
        conflicts.decide(Conflict.objects.get(), "hub", "ben")


def test_a_conflict_ends_where_both_agree_again(both: Sync, crm: Crm):
    both.wins = Winner.ASK
    go(both)
    there(crm, name="Anna", city="Oslo", phone="1")
    go(both)
    assert Conflict.objects.get().chosen == "agreed"


def test_the_first_meeting_asks_where_both_have_something_else(pull: Sync, crm: Crm):
    pull.wins = Winner.ASK
    change(pull, name="Anna")
    there(crm, name="Anne", city="Oslo")
    go(pull)
    assert (here(), Conflict.objects.count()) == ({"id": "1", "name": "Anna", "city": "Oslo"}, 1)


def test_deletions_there_are_left_where_the_sync_says_so(pull: Sync, crm: Crm):
    pull.deleted_path = "gone"
    there(crm, name="Ann")
    go(pull)
    there(crm, name="Ann", gone=True)
    pull.take_deletions = False
    assert go(pull).skipped == 1
    pull.take_deletions = True
    assert go(pull).deleted == 1
    link = ExternalLink.objects.get()
    assert link.fingerprint == Record.objects.get().fingerprint


def test_a_record_that_was_only_read_is_deleted_there_too(push: Sync, pull: Sync, crm: Crm):
    """Its link is not in step, because a field is the hub's own; it is there all the same."""
    push.delete_policy, push.delete_action = "delete", "remove"
    change(pull, note="ours")
    there(crm, name="Ann")
    go(pull)
    delete(pull.type, "1")
    assert (go(push).deleted, crm.removed) == (1, ["1"])


def test_a_dry_run_shows_what_would_change_with_both_values(both: Sync, push: Sync, crm: Crm):
    upsert(push.type, [Given("2", {"id": "2", "name": "Ben"})])
    run = go(push, dry_run=True)
    shown = {row.key: (row.kind, row.before, row.after) for row in run.changes.all()}
    assert shown == {
        "1": ("updated", None, {"id": "1", "name": "Anna"}),
        "2": ("created", None, {"id": "2", "name": "Ben"}),
    }
    before = here()
    shown = {row.key: (row.kind, row.before, row.after) for row in go(both, dry_run=True).changes.all()}
    assert shown == {"1": ("updated", before, {"id": "1", "name": "Anne", "city": "Oslo", "phone": "2"})}
    assert (here(), Conflict.objects.count(), crm.batches) == (before, 0, [])


def test_several_steps_are_under_way_and_each_row_arrives_once(push: Sync, crm: Crm):
    push.integration.max_in_flight = 4
    push.integration.save()
    upsert(push.type, [Given(f"{n:03}", {"id": f"{n:03}", "name": "N"}) for n in range(100)])
    run = go(push)
    assert (run.created, run.done) == (100, 100)
    assert sorted(key for batch in crm.batches for key in batch) == [f"{n:03}" for n in range(100)]
    assert run.finished_at is not None
    assert run.finished_at <= timezone.now()
