"""Whether broker and Redis answer, and are set as the hub needs them."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError

from hub.config.doctor.finding import Finding, advice, ok, problem
from hub.delivery import beats

#: Seconds that a service gets to answer.
PATIENCE = 3


def broker() -> Iterator[Finding]:
    """Whether wake-ups can be sent."""
    if not settings.HUB.broker_url:
        yield ok("broker", "None is set: embedded, one machine.")
        return
    connection = Connection(settings.HUB.broker_url, connect_timeout=PATIENCE)
    shown = connection.as_uri(include_password=False)
    try:
        connection.ensure_connection(max_retries=1, timeout=PATIENCE)
    except Exception as error:  # every transport has its own
        yield problem(
            "broker",
            f"{shown} does not answer ({type(error).__name__}); deliveries wait up to a second, "
            "scheduled jobs do not run.",
            "Start the broker, or correct HUB_BROKER_URL. Nothing is lost meanwhile.",
        )
    else:
        yield ok("broker", f"{shown} answers.")
    finally:
        connection.release()


def redis() -> Iterator[Finding]:
    """Whether limits are counted for all machines together."""
    url = settings.HUB.redis_url
    if not url and (settings.HUB.broker_url or beats.alive().count() > 1):
        yield problem(
            "Redis",
            "HUB_REDIS_URL is not set: each worker uses an equal part of a provider's limit, also of what "
            "the others leave, and for a moment more is sent where a worker comes.",
            "Set HUB_REDIS_URL, to the same Redis for every process.",
        )
    if not url:
        return
    client: Redis = Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    try:
        client.ping()
    except RedisError as error:
        yield problem(
            "Redis",
            f"It does not answer ({type(error).__name__}): each worker uses an equal part of each limit.",
            "Start Redis, or correct HUB_REDIS_URL.",
        )
        return
    yield ok("Redis", "It answers.")
    yield from _eviction(client)


def _eviction(client: Redis) -> Iterator[Finding]:
    try:
        memory: Any = client.info("memory")
    except RedisError:
        return  # a hosted Redis may not say
    policy = memory.get("maxmemory_policy", "")
    if policy not in ("", "noeviction"):
        yield advice(
            "Redis",
            f"When its memory is full, Redis drops keys ({policy}): counts and wake-ups get lost.",
            "Set maxmemory-policy to noeviction.",
        )
