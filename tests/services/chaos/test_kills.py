"""kill -9 of everything in turn, and of anything at any moment, while events come in."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.services.chaos.stack import Stack

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]

COMMANDS = {"web": "granian", "worker": "celery.* worker", "beat": "celery.* beat"}


def kill_process(stack: Stack, name: str, chance: random.Random) -> None:
    """Kill one of the processes of that name: the first, or one that it started."""
    pids = stack.hub.pids(COMMANDS[name])
    if pids:  # else it is being started again just now
        os.kill(chance.choice(pids), signal.SIGKILL)


def kill_broker(stack: Stack, chance: random.Random) -> None:
    stack.broker.kill()
    time.sleep(chance.uniform(0.5, 3.0))
    stack.broker.start()


def kill_database(stack: Stack, chance: random.Random) -> None:
    stack.database.kill()
    time.sleep(chance.uniform(0.2, 2.0))
    stack.database.start()


def kill_session(stack: Stack, chance: random.Random) -> None:
    stack.database.kill_a_backend()


BLOWS: dict[str, Callable[[Stack, random.Random], None]] = {
    "web": lambda stack, chance: kill_process(stack, "web", chance),
    "worker": lambda stack, chance: kill_process(stack, "worker", chance),
    "beat": lambda stack, chance: kill_process(stack, "beat", chance),
    "broker": kill_broker,
    "database": kill_database,
    "session": kill_session,
}


@pytest.mark.parametrize("victim", BLOWS)
def test_kill_in_turn(over_redis: Stack, chance: random.Random, victim: str) -> None:
    with over_redis.under_load(f"kill -9 of {victim}", chance) as scenario:
        scenario.blow()
        BLOWS[victim](over_redis, chance)


def test_kill_rabbitmq(over_rabbitmq: Stack, chance: random.Random) -> None:
    with over_rabbitmq.under_load("kill -9 of broker (rabbitmq)", chance) as scenario:
        scenario.blow()
        kill_broker(over_rabbitmq, chance)


def test_kill_at_random_moments(over_redis: Stack, chance: random.Random) -> None:
    victims = chance.choices(list(BLOWS), k=7)
    with over_redis.under_load("kill -9 at random moments", chance) as scenario:
        scenario.blow()
        for victim in victims:
            time.sleep(chance.uniform(0.2, 2.5))
            BLOWS[victim](over_redis, chance)
