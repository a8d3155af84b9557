"""Events of one subject in their order, whatever fails and whichever worker comes."""

import random
from collections import defaultdict
from typing import Any

import orjson
import pytest
from django.conf import settings

from hub.delivery.models import QueueItem, State
from hub.delivery.wake import ring_sockets
from hub.events.intake import Draft, accept_events
from tests.factories import IntegrationFactory, RouteFactory
from tests.hub.running import wait_until
from tests.services.sink import listening
from tests.services.workers import working

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

SUBJECTS, EACH = 12, 15


def test_four_workers_keep_the_order_of_each_subject_while_a_third_of_the_tries_fails() -> None:
    chance = random.Random(7)
    failed: set[bytes] = set()

    def status(body: bytes) -> int:
        if body in failed or chance.random() > 0.33:
            return 200
        failed.add(body)
        return 503

    with listening(status) as sink, working(4) as home:
        integration = IntegrationFactory(
            settings={"url": sink.url},
            allowed_hosts=[sink.host],
            rate_count=10_000,
            quick_delay=0.05,
            breaker_threshold=1000,
        )
        RouteFactory(
            organization=integration.organization, integration=integration, type_pattern="*", ordered=True
        )
        drafts = [
            Draft(type="order.changed", subject=f"order-{subject}", data={"s": subject, "n": number})
            for number in range(EACH)
            for subject in range(SUBJECTS)
        ]
        for start in range(0, len(drafts), 60):
            accept_events(integration.organization, drafts[start : start + 60])
        ring_sockets(home / settings.HUB.wake_socket.name)
        done = QueueItem.objects.filter(state=State.COMPLETED)
        wait_until(lambda: done.count() == len(drafts), "all to be delivered", 120)

    tried: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for _, body, answer in sink.calls:
        data = _data(body)
        tried[data["s"]].append((data["n"], answer))
    assert len(failed) > 20
    for calls in tried.values():
        assert [number for number, answer in calls if answer == 200] == list(range(EACH))
        # Nothing is even tried before the one before it passed.
        assert [number for number, _ in calls] == sorted(number for number, _ in calls)


def _data(body: bytes) -> dict[str, Any]:
    found = orjson.loads(body)
    return dict(found.get("data", found))
