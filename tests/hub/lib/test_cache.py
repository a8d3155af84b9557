"""The cache that is shared by Redis, and kept in memory while Redis is away."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from hub.lib import shared
from hub.lib.cache import PatientCache
from tests.servers import raw_server


class Redis:
    """What stands behind the cache: a dictionary that may be away."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.away = False
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise RedisAway("Connection refused.")

    def add(self, key: str, value: Any, timeout: Any) -> bool:
        self._ask()
        return self.held.setdefault(key, value) is value

    def get(self, key: str, default: Any) -> Any:
        self._ask()
        return self.held.get(key, default)

    def set(self, key: str, value: Any, timeout: Any) -> None:
        self._ask()
        self.held[key] = value

    def delete(self, key: str) -> bool:
        self._ask()
        return self.held.pop(key, None) is not None


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    """The Redis of ``patient``, and a clock that stands still."""
    behind = Redis()
    monkeypatch.setattr(PatientCache, "_cache", behind)
    return behind


@pytest.fixture
def patient() -> Iterator[PatientCache]:
    """A cache of its own."""
    made = PatientCache("redis://127.0.0.1:1/0", {})
    made._near.clear()
    yield made
    made._near.clear()


def test_what_is_kept_is_kept_in_redis(redis: Redis, patient: PatientCache) -> None:
    patient.set("tries", 1)
    assert patient.add("code", "used") is True
    assert patient.add("code", "again") is False
    assert (patient.get("tries"), patient.get("nothing", "default")) == (1, "default")
    assert patient.delete("tries") is True
    assert patient.get("tries") is None
    assert list(redis.held.values()) == ["used"]


def test_while_redis_is_away_this_process_remembers(
    redis: Redis, patient: PatientCache, caplog: pytest.LogCaptureFixture
) -> None:
    redis.away = True
    assert patient.add("code", "used") is True
    assert patient.add("code", "used") is False, "a code counts once, also while Redis is away"
    patient.set("tries", 4)
    assert patient.get("tries") == 4
    assert patient.delete("tries") is True
    assert redis.asked == 1, "whoever does not answer is not asked again at once"
    assert "kept in memory" in caplog.text


def test_redis_is_used_again_when_it_answers(
    redis: Redis, patient: PatientCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.away = True
    patient.set("tries", 4)
    redis.away = False
    monkeypatch.setattr(shared, "PAUSE", 0.0)
    patient._away.begin()
    patient.set("tries", 5)
    assert list(redis.held.values()) == [5]
    assert not patient._away.lasts()


def test_a_redis_that_never_answers_is_waited_for_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(peer: socket.socket) -> None:
        while peer.recv(4096):
            pass

    monkeypatch.setattr(shared, "PATIENCE", 0.1)
    with raw_server(silent) as port:
        slow = PatientCache(f"redis://127.0.0.1:{port}/0", {})
        slow.set("key", "near")
        assert slow.get("key") == "near"
