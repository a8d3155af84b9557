"""Webhooks and their limits on PostgreSQL and Redis, as a scaled-out hub has them."""

import dataclasses
import os
from typing import Any

import pytest
import redis

from hub.lib import throttle
from tests.webhooks.conftest import _fresh
from tests.webhooks.test_process import (
    test_a_worker_that_lost_its_lease_settles_nothing,
    test_one_bad_notice_does_not_lose_the_others,
    test_two_workers_never_work_on_the_same_call,
)
from tests.webhooks.test_receive import (
    test_a_repetition_gives_a_failed_call_another_chance,
    test_a_repetition_is_answered_alike_and_kept_without_its_body,
    test_what_is_kept_holds_no_credential,
)
from tests.webhooks.test_service import test_sends_a_kept_call_through_again_without_doubling_events

pytestmark = [pytest.mark.services, pytest.mark.django_db]
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")

__all__ = [
    "_fresh",
    "test_a_repetition_gives_a_failed_call_another_chance",
    "test_a_repetition_is_answered_alike_and_kept_without_its_body",
    "test_a_worker_that_lost_its_lease_settles_nothing",
    "test_one_bad_notice_does_not_lose_the_others",
    "test_sends_a_kept_call_through_again_without_doubling_events",
    "test_two_workers_never_work_on_the_same_call",
    "test_what_is_kept_holds_no_credential",
]


@pytest.mark.parametrize("count", [3, 2000])
def test_machines_count_together_in_redis(settings: Any, count: int) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, redis_url=REDIS)
    group = f"test-{os.getpid()}-{count}"
    waits = []
    for _ in range(2):
        throttle.forget()  # another process begins with nothing in memory
        waits += [throttle.take(group, count, "caller") for _ in range(count)]

    assert waits[:count] == [0] * count
    assert waits[-1] >= 1
    with redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"*{group}*"):
            client.delete(key)
