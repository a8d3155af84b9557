"""Nobody dies, but the hub and its services do not reach each other."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.services.chaos.proxy import Proxy
from tests.services.chaos.stack import LEASE, Stack

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

#: Seconds that each broker is away in each way; an hour is the same, only longer.
OUTAGES = {("over_redis", "refuse"): 60.0}
OUTAGE = 10.0
#: Seconds within which an application has its answer although the broker is away.
PROMPT = 5.0


@contextmanager
def away(proxy: Proxy, how: str) -> Iterator[None]:
    """Let nothing through for as long as the block lasts."""
    getattr(proxy, how)()
    try:
        yield
    finally:
        proxy.let_through()


@pytest.mark.parametrize("how", ["refuse", "stall"])
@pytest.mark.parametrize("broker", ["over_redis", "over_rabbitmq"])
def test_the_broker_is_away(
    request: pytest.FixtureRequest, chance: random.Random, broker: str, how: str
) -> None:
    stack: Stack = request.getfixturevalue(broker)
    seconds = float(os.environ.get("CHAOS_OUTAGE_SECONDS") or OUTAGES.get((broker, how), OUTAGE))
    name = f"broker away ({broker.removeprefix('over_')}, {how})"
    with stack.under_load(name, chance, repeats=False) as scenario:
        scenario.blow()
        with away(stack.to_broker, how):
            time.sleep(seconds / 2)
            half = scenario.arrivals()
            time.sleep(seconds / 2)
            assert scenario.arrivals() > half, "workers look for themselves while no message wakes them"
    assert max(scenario.traffic.waits) < PROMPT, "no application waits for the broker"
    assert scenario.traffic.unanswered == 0, "the web process needs no broker"


@pytest.mark.parametrize("how", ["refuse", "stall"])
def test_the_database_is_away_for_less_than_a_lease(
    over_redis: Stack, chance: random.Random, how: str
) -> None:
    with over_redis.under_load(f"database away ({how})", chance, repeats=False) as scenario:
        scenario.blow()
        with away(over_redis.to_database, how):
            time.sleep(LEASE / 3)


def test_the_database_is_away_for_longer_than_a_lease(over_redis: Stack, chance: random.Random) -> None:
    """What was under way may be sent again, under its key; nothing is lost, nothing is held for ever."""
    with over_redis.under_load("database away (two leases)", chance) as scenario:
        scenario.blow()
        with away(over_redis.to_database, "refuse"):
            time.sleep(2 * LEASE)


#: Stands in the outcomes that a settle brings, also where its statement was prepared before; and what
#: PostgreSQL's protocol ends a statement with.
SETTLE, END = b'"target_action":', b"S\x00\x00\x00\x04"
#: Before a settle arrives, and when it was committed but nobody heard of it. It is one statement.
MOMENTS = {"before": (SETTLE, b""), "unheard": (SETTLE, END)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_connection_is_cut_in_the_middle_of_a_settle(
    over_redis: Stack, chance: random.Random, moment: str
) -> None:
    with over_redis.under_load(f"cut in a settle ({moment})", chance, repeats=False) as scenario:
        scenario.blow()
        for _ in range(4):
            cut(over_redis.to_database, *MOMENTS[moment])
            time.sleep(chance.uniform(0.3, 1.0))


def cut(proxy: Proxy, words: bytes, last: bytes) -> None:
    before = proxy.cuts
    proxy.cut_when(words, last)
    end = time.monotonic() + 20
    while proxy.cuts == before:
        assert time.monotonic() < end, f"Nobody said {words!r}."
        time.sleep(0.02)
