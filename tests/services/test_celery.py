"""The scaled-out hub: Celery wakes workers over a real broker; PostgreSQL is the truth."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from celery import Celery
from django.conf import settings
from django.db import connection
from django.utils import timezone
from kombu import pools

from hub.delivery.models import QueueItem, State
from hub.events.intake import Draft, accept_events
from tests.factories import IntegrationFactory, RouteFactory
from tests.services.sink import Sink, listening

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


def environment(broker: str) -> dict[str, str]:
    """What a process of the scaled-out hub is given: the test database and a broker."""
    database = connection.settings_dict
    host = database["HOST"] or "127.0.0.1"
    url = f"postgres://{database['USER']}:{database['PASSWORD']}@{host}:{database['PORT'] or 5432}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "hub.settings",
        "HUB_DATABASE_URL": f"{url}/{database['NAME']}",
        "HUB_BROKER_URL": broker,
        "HUB_REDIS_URL": REDIS,
        "HUB_LEASE_SECONDS": "5",
    }


@contextmanager
def celery(broker: str, *arguments: str, app: str = "hub") -> Iterator[subprocess.Popen[bytes]]:
    """Run a celery command until the block ends."""
    command = [sys.executable, "-m", "celery", "-A", app, *arguments]
    process = subprocess.Popen(command, env=environment(broker), start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def sending_through(broker: str) -> Iterator[None]:
    """Let this process wake workers over ``broker``, as a web process would."""
    from hub.celery import app

    before = settings.HUB
    settings.HUB = type(before)(
        **{name: getattr(before, name) for name in before.__slots__} | {"broker_url": broker}
    )
    app.conf.broker_url = broker
    forget_connections(app)
    try:
        yield
    finally:
        settings.HUB = before
        forget_connections(app)


def forget_connections(app: Celery) -> None:
    """Have the next message open one of its own.

    Celery and kombu each keep pools, by broker: a message that finds one of its pools closed, or one of
    another broker, is lost without a word to the worker.
    """
    pools.reset()
    app._after_fork()


def until(true: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.05)
    pytest.fail("It did not come true in time.")


def route_to(sink: Sink):
    integration = IntegrationFactory(settings={"url": sink.url}, allowed_hosts=[sink.host], rate_count=10_000)
    RouteFactory(
        organization=integration.organization, integration=integration, action="http.send", type_pattern="*"
    )
    return integration


def send(integration, count: int) -> None:
    drafts = [Draft(type="order.paid", data={"n": number}) for number in range(count)]
    accept_events(integration.organization, drafts)


def completed() -> int:
    return QueueItem.objects.filter(state=State.COMPLETED).count()


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], ids=["redis", "rabbitmq"])
def test_a_message_wakes_a_worker_and_every_item_arrives_once(broker):
    with listening() as sink, celery(broker, "worker", "--concurrency", "2"), sending_through(broker):
        integration = route_to(sink)
        send(integration, 1)
        until(lambda: completed() == 1)
        send(integration, 200)
        until(lambda: completed() == 201)
    assert len(sink.keys) == 201
    assert set(sink.keys.values()) == {1}


def test_a_worker_killed_in_the_middle_loses_nothing():
    with listening() as sink, sending_through(REDIS):
        integration = route_to(sink)
        with celery(REDIS, "worker", "--concurrency", "1") as first:
            send(integration, 300)
            until(lambda: len(sink.keys) > 20)
            os.killpg(first.pid, signal.SIGKILL)
        assert completed() < 300
        with celery(REDIS, "worker", "--concurrency", "1"), celery(REDIS, "beat"):
            until(lambda: completed() == 300)
    keys = {f"hub_{pk.hex}" for pk in QueueItem.objects.values_list("pk", flat=True)}
    assert set(sink.keys) == keys


def test_a_broker_that_is_away_loses_no_event():
    with listening() as sink:
        with sending_through("redis://127.0.0.1:1/0"):
            integration = route_to(sink)
            send(integration, 5)
        assert QueueItem.objects.filter(state=State.PENDING, due_at__lte=timezone.now()).count() == 5
        with celery(REDIS, "worker", "--concurrency", "1"):
            until(lambda: completed() == 5)


def test_beat_knows_the_scheduled_jobs():
    from django_celery_beat.models import PeriodicTask

    with celery(REDIS, "beat"):
        until(lambda: PeriodicTask.objects.filter(name__startswith="interchange: ").count() >= 3)
    sweep = PeriodicTask.objects.get(name="interchange: sweep")
    assert (sweep.task, sweep.interval.every) == ("hub.delivery.tasks.run_job", 15)
    assert "connection tests" in "".join(PeriodicTask.objects.values_list("name", flat=True))


def test_a_worker_told_to_stop_leaves_nothing_half_done_and_says_goodbye():
    from hub.delivery.models import WorkerBeat

    with listening() as sink, sending_through(REDIS):
        integration = route_to(sink)
        send(integration, 2000)
        with celery(REDIS, "worker", "--concurrency", "2") as worker:
            until(lambda: len(sink.keys) > 50)
            until(lambda: WorkerBeat.objects.count() == 2)
            began = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            worker.wait(30)
            assert worker.returncode == 0
            assert time.monotonic() - began < 30
        assert not QueueItem.objects.filter(state=State.PROCESSING).exists()
        assert completed() == len(sink.keys)
        assert not WorkerBeat.objects.exists()
        with celery(REDIS, "worker", "--concurrency", "1"):
            until(lambda: completed() == 2000)
    assert set(sink.keys.values()) == {1}
