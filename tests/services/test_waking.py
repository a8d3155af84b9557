"""An idle worker is woken, not waited for."""

import time
from collections.abc import Callable

import pytest
from django.conf import settings

from bench.processes import cpu_seconds
from hub.connections.models import Integration
from hub.delivery.models import WorkerBeat
from hub.delivery.wake import ring_sockets
from hub.events.intake import Draft, accept_event
from tests.factories import IntegrationFactory, RouteFactory
from tests.hub.running import wait_until
from tests.services.sink import Sink, listening
from tests.services.test_celery import RABBITMQ, REDIS, celery, sending_through
from tests.services.workers import working

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

TRIES = 6
#: Seconds a ring may take on a busy machine (``bench --only idle`` tells what it takes on a quiet one).
#: Without it, these workers would look a minute later.
TOLD = 10


def routed_to(sink: Sink) -> Integration:
    integration = IntegrationFactory(settings={"url": sink.url}, allowed_hosts=[sink.host])
    RouteFactory(organization=integration.organization, integration=integration, type_pattern="*")
    return integration


def each_arrives(integration: Integration, sink: Sink, ring: Callable[[], object] = lambda: None) -> None:
    """Accept one event after the other, each when the worker is idle again."""
    for number in range(TRIES):
        time.sleep(0.5)
        accept_event(integration.organization, Draft(type="order.paid", data={"n": number}))
        ring()
        wait_until(lambda count=number + 1: len(sink.calls) >= count, "the message", TOLD)


def test_a_ring_wakes_an_idle_worker() -> None:
    with listening() as sink, working(1, module="tests.services.patient") as home:
        each_arrives(routed_to(sink), sink, lambda: ring_sockets(home / settings.HUB.wake_socket.name))


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], ids=["redis", "rabbitmq"])
def test_a_message_wakes_an_idle_celery_worker(broker: str) -> None:
    with (
        listening() as sink,
        celery(broker, "worker", "--concurrency", "1", app="tests.services.patient"),
        sending_through(broker),
    ):
        wait_until(WorkerBeat.objects.exists, "the worker")
        each_arrives(routed_to(sink), sink)


def test_what_a_lost_wake_up_left_is_found() -> None:
    with listening() as sink, working(1):
        integration = routed_to(sink)
        # Nobody rings the worker: this process has another home.
        accept_event(integration.organization, Draft(type="order.paid"))
        wait_until(lambda: len(sink.calls) == 1, "the message", 15)


def test_an_idle_worker_costs_next_to_nothing() -> None:
    """Of a core it takes less than 1 % (``bench --only idle``); here a busy machine may double that."""
    with working(1):
        [name] = WorkerBeat.objects.values_list("name", flat=True)
        pid = int(name.rpartition(":")[2])
        time.sleep(5)
        before, began = cpu_seconds([pid]), time.monotonic()
        time.sleep(20)
        used = (cpu_seconds([pid]) - before) / (time.monotonic() - began)
    assert used < 0.02
