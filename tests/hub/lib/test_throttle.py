"""Counting calls: in memory, and what happens where Redis is away."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from hub.lib import throttle


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    throttle.forget()
    yield
    throttle.forget()


def test_lets_so_many_through_and_says_how_long_to_wait() -> None:
    waits = [throttle.take("test", 3, "a") for _ in range(4)]

    assert waits[:3] == [0, 0, 0]
    assert 1 <= waits[3] <= 60
    assert throttle.take("test", 3, "b") == 0
    assert throttle.take("other", 3, "a") == 0


def test_a_longer_window() -> None:
    throttle.take("test", 1, "a", minutes=10)

    assert 60 < throttle.take("test", 1, "a", minutes=10) <= 600


def test_large_limits_are_counted_too() -> None:
    waits = [throttle.take("test", 2000, "a") for _ in range(2100)]

    assert waits[0] == 0
    assert waits[-1] > 0


def test_without_redis_nobody_is_turned_away(settings: Any) -> None:
    settings.HUB = dataclasses.replace(settings.HUB, redis_url="redis://127.0.0.1:1/0")

    assert [throttle.take("test", 1, "a") for _ in range(3)] == [0, 0, 0]
