"""What manage.py doctor says about real services."""

import dataclasses
import os

import pytest

from hub.config.doctor import database, services
from hub.config.doctor.finding import Level

pytestmark = [pytest.mark.services, pytest.mark.django_db]

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], ids=["redis", "rabbitmq"])
def test_a_broker_that_answers(settings, broker):
    settings.HUB = dataclasses.replace(settings.HUB, broker_url=broker)
    (found,) = services.broker()
    assert found.level == Level.OK
    assert "guest:guest" not in found.message


def test_redis_that_answers(settings):
    settings.HUB = dataclasses.replace(settings.HUB, redis_url=REDIS)
    assert next(iter(services.redis())).level == Level.OK


def test_postgresql_tells_version_connections_and_time():
    told = list(database.kind())
    assert "PostgreSQL" in told[-1].message
    assert "connections are in use" in told[-1].message
    assert [finding.level for finding in database.clock()] == [Level.OK]


def test_postgresql_that_does_not_wait_for_its_disk_is_a_problem():
    with database.connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    assert "synchronous_commit" in " ".join(finding.message for finding in database.kind())
