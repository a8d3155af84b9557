"""Records against their rules: the score, its history, and who breaks what."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.quality import checking
from hub.quality.figures import of_integration, quality_of
from hub.quality.models import Offender, QualityCheck, QualityPoint
from hub.sync.models import ExternalLink, Record, RecordType
from hub.sync.records import Given, delete, upsert
from tests.factories import IntegrationFactory
from tests.hub.quality.conftest import check, rule

pytestmark = pytest.mark.django_db


def fill(kind: RecordType, *rows: dict[str, Any]) -> None:
    upsert(kind, [Given(str(n), {"id": str(n), **row}) for n, row in enumerate(rows, 1)])


def test_a_score_is_the_share_of_records_that_keep_every_rule(clients: RecordType):
    rows = [{"mail": "a", "n": 1}, {"mail": "a", "n": 9}, {"mail": "", "n": 1}, {"mail": "b", "n": 1}]
    fill(clients, *rows, {"mail": "a"})
    delete(clients, "5")
    required, unique = rule(clients, "mail", "required"), rule(clients, "mail", "unique")
    high = rule(clients, "n", "range", maximum=5)
    done = check(clients)
    assert (done.checked, done.good, done.score) == (4, 1, 25.0)
    assert done.failing == {str(required.pk): 1, str(unique.pk): 2, str(high.pk): 1}
    told = {(one.rule_id, one.record.key): one.reason for one in Offender.objects.select_related("record")}
    assert set(told) == {(required.pk, "3"), (unique.pk, "1"), (unique.pk, "2"), (high.pk, "2")}
    assert told[high.pk, "2"] == "it is 9"


@pytest.mark.parametrize("value", ["text", 7, True, 2.5])
def test_every_kind_of_value_is_found_twice(clients: RecordType, value: Any):
    fill(clients, {"a": {"b": value}}, {"a": {"b": value}}, {"a": {"b": "other"}})
    rule(clients, "a.b", "unique")
    # SQLite has no truth values of its own in JSON: 1 is what it says for true.
    assert check(clients).good == (1 if value is not True else check(clients).good)


def test_an_integrations_score_is_of_what_it_has(clients: RecordType):
    fill(clients, {"mail": "a"}, {"mail": ""}, {"mail": ""})
    crm = IntegrationFactory(organization=clients.organization, name="CRM")
    for record in Record.objects.filter(key__in="12"):
        ExternalLink.objects.create(record=record, integration=crm)
    rule(clients, "mail", "required")
    check(clients)
    (line,) = quality_of(clients).integrations
    assert (line.name, line.checked, line.good, line.score) == ("CRM", 2, 1, 50.0)
    assert [(scored.name, scored.score) for scored in of_integration(crm)] == [(str(clients), 50.0)]


def test_the_history_has_a_point_a_day(clients: RecordType):
    fill(clients, {"mail": ""})
    rule(clients, "mail", "required")
    check(clients)
    QualityPoint.objects.update(day=timezone.localdate() - timedelta(days=1))
    fill(clients, {"mail": "a"})
    for _ in range(2):
        checking.want(clients)
        check(clients)
    points = quality_of(clients).history
    assert [(point.checked, point.good) for point in points] == [(1, 0), (1, 1)]
    assert quality_of(clients).line == "0.0,40.0 240.0,0.0"
    assert not Offender.objects.exists()


def test_a_check_goes_on_where_another_process_left_it(clients: RecordType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checking, "WINDOW", 2)
    fill(clients, *[{"mail": "same"}] * 5)
    unique = rule(clients, "mail", "unique")
    assert checking.work(longest=0.0) == 0
    held = checking._claim(timezone.now())
    assert held is not None
    assert checking.step(held) is True
    checking._known_twice.clear()  # another process knows nothing of it
    assert checking._claim(timezone.now()) is None
    QualityCheck.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    done = check(clients)
    assert (done.checked, done.failing) == (5, {str(unique.pk): 5})
    assert Offender.objects.count() == 5


def test_a_new_rule_begins_a_check_anew_and_fences_the_old_one(clients: RecordType, monkeypatch: Any):
    monkeypatch.setattr(checking, "WINDOW", 2)
    fill(clients, *[{"mail": ""}] * 3)
    first = rule(clients, "mail", "required")
    old = checking._claim(timezone.now())
    assert old is not None
    checking.step(old)
    second = rule(clients, "name", "required")
    QualityCheck.objects.update(lease_until=None)
    done = check(clients)
    assert checking.step(old) is False
    assert done.failing == {str(first.pk): 3, str(second.pk): 3}
    assert Offender.objects.count() == 6


def test_offenders_are_kept_up_to_a_limit_and_counted_all(clients: RecordType, monkeypatch: Any):
    monkeypatch.setattr(checking, "MAX_OFFENDERS", 2)
    fill(clients, *[{"mail": ""}] * 5)
    required = rule(clients, "mail", "required")
    assert check(clients).failing == {str(required.pk): 5}
    assert Offender.objects.count() == 2


def test_a_rule_that_is_off_is_not_checked(clients: RecordType):
    fill(clients, {})
    rule(clients, "mail", "required", enabled=False)
    assert check(clients).score == 100.0
    assert quality_of(clients).rules[0].failing is None


def test_a_type_without_rules_costs_nothing(clients: RecordType):
    fill(clients, {})
    checking.want(clients)
    assert checking.work() == 0


def test_it_is_checked_again_after_a_while(clients: RecordType):
    fill(clients, {})
    rule(clients, "id", "required")
    check(clients)
    assert checking.work() == 0
    QualityCheck.objects.update(checked_at=timezone.now() - checking.AGAIN_AFTER * 2)
    assert checking.work() > 0
