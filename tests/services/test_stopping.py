"""A worker that is told to stop does so within its deadline, also where a provider never answers."""

import signal
import subprocess
import sys
import time

import pytest

from hub.delivery.models import QueueItem, State, WorkerBeat
from tests.factories import IntegrationFactory, QueueItemFactory
from tests.hub.running import short_home, wait_until
from tests.servers import raw_server
from tests.services.chaos.test_sinks import is_silent
from tests.services.sink import listening
from tests.services.workers import environment

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

#: What operations.md promises, and a little for a busy machine.
DEADLINE = 30 + 5


def test_stopping_ends_in_time_gives_back_what_waits_and_repeats_nothing() -> None:
    with listening() as sink, raw_server(is_silent) as silent, short_home() as home:
        slow = IntegrationFactory(
            settings={"url": f"http://127.0.0.1:{silent}/"},
            allowed_hosts=[f"127.0.0.1:{silent}"],
            timeout=300,
            max_in_flight=2,
        )
        quick = IntegrationFactory(
            settings={"url": sink.url}, allowed_hosts=[sink.host], rate_count=40, rate_seconds=1
        )
        QueueItemFactory.create_batch(8, integration=slow)
        QueueItemFactory.create_batch(300, integration=quick)
        command = [sys.executable, "-m", "django", "worker"]
        process = subprocess.Popen(command, env=environment(home, HUB_REDIS_URL=""), start_new_session=True)
        try:
            held = QueueItem.objects.filter(integration=slow, state=State.PROCESSING)
            wait_until(lambda: held.exists() and len(sink.keys) > 40, "deliveries of both", 60)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE + 10)
            took = time.monotonic() - began
        finally:
            process.kill()
            process.wait()
        assert took < DEADLINE
        # Two wait for an answer that does not come, and keep their leases; all else is settled or given back.
        assert held.count() == 2
        states = QueueItem.objects.filter(integration=quick).values_list("state", flat=True)
        assert set(states) <= {State.COMPLETED, State.PENDING}
        assert list(states).count(State.COMPLETED) == len(sink.keys)
        assert set(sink.keys.values()) == {1}
        assert not WorkerBeat.objects.exists()
