"""Redis as a help that may be missing."""

import socket
import time

import pytest
from redis import Redis
from redis.exceptions import RedisError

from hub.lib import shared
from hub.lib.shared import Absence, patience
from tests.servers import raw_server


def silent(peer: socket.socket) -> None:
    while peer.recv(4096):
        pass


def test_a_client_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "PATIENCE", 0.1)
    with raw_server(silent) as port:
        client = Redis(port=port, **patience())
        with pytest.raises(RedisError):
            client.ping()


def test_while_it_is_away_one_in_a_while_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    away = Absence()
    assert not away.lasts()
    away.begin()
    assert away.lasts()
    now[0] += shared.PAUSE
    assert [away.lasts() for _ in range(3)] == [False, True, True]
    away.end()
    assert not away.lasts()
