"""What the doctor says of quotas, retention, a replica, and of what travels in the clear."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from hub.accounts.models import Usage
from hub.accounts.quotas import Period, begins
from hub.config.doctor import CHECKS, capacity
from hub.config.doctor.finding import Level
from hub.delivery.models import WorkerBeat
from hub.lib.replica import ALIAS
from tests.factories import EventFactory, OrganizationFactory

pytestmark = pytest.mark.django_db


def levels(findings: Any) -> list[Level]:
    return [finding.level for finding in findings]


def test_the_doctor_asks_all_of_them():
    assert {capacity.quotas, capacity.retention, capacity.replica} <= set(CHECKS.values())
    assert capacity.encryption_on_the_way in CHECKS.values()


def test_a_quota_that_is_nearly_used_up_is_named():
    organization = OrganizationFactory(name="Shop", events_per_day=100)
    first = begins(Period.DAY, timezone.now())
    row = Usage.objects.create(organization=organization, period="day", begins=first, events=89)
    assert levels(capacity.quotas()) == [Level.OK]
    row.events = 95
    row.save()
    said = list(capacity.quotas())
    assert levels(said) == [Level.ADVICE, Level.OK]
    assert "Shop has used 95 %" in said[0].message


def test_two_workers_that_do_not_count_together_are_a_problem(settings):
    settings.HUB = dataclasses.replace(settings.HUB, redis_url="")
    OrganizationFactory(deliveries_per_second=5)
    assert levels(capacity.quotas()) == [Level.OK]
    for name in ("a", "b"):
        WorkerBeat.objects.create(name=name, started_at=timezone.now(), seen_at=timezone.now())
    assert Level.PROBLEM in levels(capacity.quotas())
    settings.HUB = dataclasses.replace(settings.HUB, redis_url="redis://127.0.0.1/9")
    assert levels(capacity.quotas()) == [Level.OK]


def test_what_should_have_gone_and_has_not_is_told(settings):
    settings.HUB = dataclasses.replace(settings.HUB, retention_days=30)
    event = EventFactory()
    assert levels(capacity.retention()) == [Level.OK]
    type(event).objects.update(received_at=timezone.now() - timedelta(days=40))
    assert levels(capacity.retention()) == [Level.ADVICE, Level.OK]
    OrganizationFactory(keep_events=60)
    assert levels(capacity.retention()) == [Level.OK]
    settings.HUB = dataclasses.replace(settings.HUB, retention_days=0)
    assert levels(capacity.retention()) == [Level.ADVICE]


def test_a_replica_that_does_not_answer_is_a_problem(monkeypatch):
    assert not list(capacity.replica())
    known = connections["default"].settings_dict
    nowhere = {**known, "NAME": "/nowhere/at/all", "HOST": "127.0.0.1", "PORT": "1"}
    monkeypatch.setitem(connections.settings, ALIAS, nowhere)
    copy = connections[ALIAS]

    def ensure_connection() -> None:
        with copy.wrap_database_errors:
            copy.connect()

    # Tests may only open the databases of the settings.
    copy.ensure_connection = ensure_connection  # type: ignore[method-assign]
    try:
        said = list(capacity.replica())
    finally:
        del connections[ALIAS]
    assert levels(said) == [Level.PROBLEM]
    assert "HUB_READ_DATABASE_URL" in said[0].remedy


@pytest.mark.parametrize(
    ("broker", "redis", "named"),
    [
        ("redis://queue.example.com/0", "", ["HUB_BROKER_URL"]),
        ("amqps://queue.example.com//", "rediss://cache.example.com/1", []),
        ("amqp://127.0.0.1//", "redis://localhost/1", []),
        ("amqp://mq//", "redis://cache/1", ["HUB_BROKER_URL", "HUB_REDIS_URL"]),
    ],
)
def test_what_travels_in_the_clear_is_named(settings, broker, redis, named):
    settings.HUB = dataclasses.replace(settings.HUB, broker_url=broker, redis_url=redis)
    [said] = capacity.encryption_on_the_way()
    assert said.level == (Level.ADVICE if named else Level.OK)
    assert [name for name in ("HUB_BROKER_URL", "HUB_REDIS_URL") if name in said.message] == named
