"""One business object in every connected system: which value wins, and why."""

from typing import Any

import pytest
from django.utils import timezone

from hub.sync.models import Conflict, Direction, ExternalLink, Record, Sync, Winner
from hub.sync.records import Given, fingerprint, upsert
from hub.sync.run import run_until_idle
from hub.sync.side_by_side import ABSENT, ASKS, HUB_WINS, SAME, THEY_WIN, WAITS, Cell, compare
from hub.sync.starting import start
from tests.factories import IntegrationFactory, SyncFactory
from tests.hub.sync.conftest import Crm

pytestmark = pytest.mark.django_db
OLD = {"id": "1", "name": "Old", "plan": "gold", "phone": "1"}


def known(sync: Sync, here: dict[str, Any], there: dict[str, Any], **link: Any) -> Record:
    """A record that both sides had as ``OLD``, as it is here and there now."""
    upsert(sync.type, [Given("1", {**OLD, **here})])
    record = Record.objects.get()
    facts = {"fingerprint": fingerprint(OLD), "base": OLD, "read": {**OLD, **there}, **link}
    ExternalLink.objects.create(record=record, integration=sync.integration, read_at=timezone.now(), **facts)
    return record


def cells(record: Record) -> dict[str, Cell]:
    return {name: found[0] for name, _, found in compare(record).fields}


def test_each_field_says_who_wins_and_why(pull: Sync, push: Sync, crm: Crm):
    Sync.objects.filter(pk=pull.pk).update(wins=Winner.ASK, field_wins={"phone": "hub"})
    found = cells(known(pull, {"name": "Here", "phone": "2"}, {"plan": "silver", "phone": "3"}))
    assert found["id"] == Cell("1", SAME)
    assert found["name"] == Cell("Old", HUB_WINS, "Only changed here: the next push sends it.")
    assert found["plan"] == Cell("silver", THEY_WIN, "Only changed there: the next read takes its value.")
    assert found["phone"] == Cell("3", HUB_WINS, "The hub is right about this field: the next push sends it.")


@pytest.mark.parametrize(
    ("wins", "state", "why"),
    [
        (Winner.PROVIDER, THEY_WIN, "Where both changed a field"),
        (Winner.HUB, HUB_WINS, "Where both changed a field, the hub wins"),
        (Winner.NEWEST, ASKS, "the later change wins when it is read"),
        (Winner.ASK, ASKS, "the next read puts it on the list of conflicts"),
    ],
)
def test_where_both_changed_a_field_the_sync_says_who_wins(
    pull: Sync, push: Sync, crm: Crm, wins: str, state: str, why: str
):
    Sync.objects.filter(pk=pull.pk).update(wins=wins)
    found = cells(known(pull, {"name": "Here"}, {"name": "There"}))["name"]
    assert (found.text, found.state) == ("There", state)
    assert why in found.why


def test_what_the_page_says_is_what_the_next_read_does(pull: Sync, crm: Crm):
    Sync.objects.filter(pk=pull.pk).update(wins=Winner.HUB, field_wins={"phone": "provider"})
    there = {"name": "There", "plan": "silver", "phone": "3"}
    record = known(pull, {"name": "Here", "phone": "2"}, there, external_id="1")
    told = cells(record)
    crm.pages = [[{**OLD, **there}]]
    start(pull)
    run_until_idle()
    record.refresh_from_db()
    taken = {name for name, cell in told.items() if cell.state == THEY_WIN}
    assert {name for name in there if record.data[name] == there[name]} == taken == {"plan", "phone"}


def test_an_open_conflict_stands_at_its_field(pull: Sync, crm: Crm):
    record = known(pull, {"name": "Here"}, {"name": "There"})
    fields = {"name": {"hub": "Here", "provider": "There"}}
    Conflict.objects.create(
        organization=pull.organization, sync=pull, integration=pull.integration, record=record, fields=fields
    )
    assert cells(record)["name"].state == ASKS
    assert "until somebody has decided" in compare(record).there[0].sentence


def test_what_was_sent_since_it_was_read_is_no_difference(pull: Sync, push: Sync, crm: Crm):
    record = known(pull, {"name": "Here"}, {}, fingerprint=fingerprint({**OLD, "name": "Here"}))
    assert cells(record)["name"] == Cell("Here", SAME, "as it was sent since")


def test_systems_that_are_only_sent_to_and_those_without_it_stand_there_too(push: Sync, crm: Crm):
    other = IntegrationFactory(organization=push.organization, name="Newsletter")
    SyncFactory(type=push.type, integration=other, direction=Direction.PUSH)
    third = IntegrationFactory(organization=push.organization, name="Archive")
    SyncFactory(type=push.type, integration=third, direction=Direction.PULL)
    upsert(push.type, [Given("1", {"id": "1", "name": "Ann"})])
    start(push)
    run_until_idle()
    record = Record.objects.get()
    sides = compare(record)
    assert cells(record)["name"] == Cell("Ann", SAME, "as it was sent")
    assert {str(side.integration): side.sentence for side in sides.absent} == {
        "Newsletter": "The next push sends it there.",
        "Archive": "It does not have the record, and nothing sends it there.",
    }
    upsert(push.type, [Given("1", {"id": "1", "name": "Anna"})])
    assert cells(Record.objects.get())["name"] == Cell("–", WAITS, "The next push sends it.")


def test_a_field_that_is_not_read_from_there_is_left_blank(pull: Sync, crm: Crm):
    record = known(pull, {"internal": "x"}, {})
    assert cells(record)["internal"] == Cell("–", ABSENT)
