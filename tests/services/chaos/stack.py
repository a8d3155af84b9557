"""A scaled-out hub whose every neighbour can be hurt, and what must be true of it afterwards."""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import yaml

from tests.hub.running import Hub, running_hub, short_home
from tests.hub.test_kill import api_key, manage
from tests.services.chaos.machines import Database, Service, own_database, own_redis
from tests.services.chaos.proxy import Proxy, through_proxy
from tests.services.chaos.report import report
from tests.services.chaos.traffic import Traffic, sending
from tests.services.sink import Sink, listening

LEASE = 6
#: The sweeper looks every 15 s; a busy machine may be late.
SWEEP = 15 + 10
OPEN = "SELECT count(*) FROM delivery_queueitem WHERE state IN ('pending', 'processing')"
STUCK = (
    "SELECT count(*) FROM delivery_queueitem WHERE state = 'processing' "
    f"AND lease_until < now() - interval '{SWEEP} seconds'"
)


@dataclass
class Stack:
    """The hub, its services, and the proxies between them."""

    hub: Hub
    sink: Sink
    key: str
    database: Database
    redis: Service
    broker: Service
    to_database: Proxy
    to_redis: Proxy
    to_broker: Proxy

    @contextmanager
    def under_load(self, name: str, chance: random.Random, *, repeats: bool = True) -> Iterator["Scenario"]:
        """Send events while the block hurts the hub; then hold it to its promises and report.

        ``repeats``: whether deliveries may be repeated (somebody was killed).
        """
        before = sum(self.sink.keys.values())
        traffic = Traffic(self.hub.url, self.key, chance, f"{name}-{before}")
        with sending(traffic):
            time.sleep(chance.uniform(0.5, 2.0))
            scenario = Scenario(self, traffic)
            yield scenario
            time.sleep(chance.uniform(1.0, 2.0))
        keys = self.hold_to_promises(traffic)
        repeated = sum(self.sink.keys[key] - 1 for key in keys.values())
        if not repeats:
            assert repeated == 0, "nothing is delivered twice where nobody was killed"
        report(
            name,
            f"{len(keys)} accepted, delivered {len(keys) + repeated} times ({repeated} repeated)",
            f"flowing again {scenario.flowing_again(keys):.1f} s after the first blow",
            f"all through {scenario.all_through(keys):.1f} s after it",
            f"slowest answer {max(traffic.waits):.1f} s, {traffic.unanswered} unanswered",
        )

    def hold_to_promises(self, traffic: Traffic) -> dict[str, str]:
        """Wait until all is delivered; return the item's idempotency key by the event's."""
        end = time.monotonic() + 90
        while self.database.rows(OPEN) != [(0,)]:
            assert self.database.rows(STUCK) == [(0,)], f"Held longer than its lease. {self._what_is_left()}"
            assert time.monotonic() < end, self._what_is_left()
            time.sleep(0.2)
        events = {
            str(row[0]): row[1] for row in self.database.rows("SELECT id, idempotency_key FROM events_event")
        }
        lost = {key for key, event in traffic.accepted.items() if events.get(event) != key}
        assert not lost, f"{len(lost)} events were answered with 202 and are gone"
        items = self.database.rows("SELECT source_id, id, state FROM delivery_queueitem")
        assert {state for *_, state in items} == {"completed"}
        by_event = {str(event): f"hub_{item.hex}" for event, item, _ in items}
        assert len(items) == len(by_event) == len(events), "each event was queued once"
        arrived = {key for key in self.sink.keys if not key.startswith("test_")}
        assert arrived == set(by_event.values()), "each item reached the sink under its key, and nothing else"
        told_otherwise = [key for key, bodies in self.sink.bodies.items() if len(bodies) > 1]
        assert not told_otherwise, "a repetition says the same"
        return {key: by_event[event] for key, event in traffic.accepted.items()}

    def _what_is_left(self) -> str:
        left = self.database.rows(
            "SELECT state, lease_owner, lease_until, due_at, last_error FROM delivery_queueitem "
            "WHERE state IN ('pending', 'processing') LIMIT 5"
        )
        return f"Not delivered: {left}\n" + "\n".join(self.hub.lines[-80:])


class Scenario:
    """When the hub was hurt, and when events flowed again."""

    def __init__(self, stack: Stack, traffic: Traffic):
        self.stack, self.traffic = stack, traffic
        self.first = time.monotonic()

    def blow(self) -> None:
        """The next thing hurts: count from here."""
        self.first = time.monotonic()

    def arrivals(self) -> int:
        """Deliveries so far."""
        return sum(self.stack.sink.keys.values())

    def flowing_again(self, keys: dict[str, str]) -> float:
        """Seconds until something that was accepted after the first blow arrived."""
        first = self.stack.sink.first
        later = [first[item] for key, item in keys.items() if self.traffic.at[key] > self.first]
        return min(later, default=self.first) - self.first

    def all_through(self, keys: dict[str, str]) -> float:
        """Seconds until the last of the accepted events arrived."""
        return max(self.stack.sink.first[item] for item in keys.values()) - self.first


@contextmanager
def scaled_out(rabbitmq: Service | None = None) -> Iterator[Stack]:
    """A hub of web, Celery workers and beat under its supervisor; without RabbitMQ, Redis is its broker."""
    with ExitStack() as stack:
        enter = stack.enter_context
        database, redis, sink, home = (
            enter(own_database()),
            enter(own_redis()),
            enter(listening()),
            enter(short_home()),
        )
        to_database, to_redis = enter(through_proxy(database.port)), enter(through_proxy(redis.port))
        to_broker = enter(through_proxy(rabbitmq.port)) if rabbitmq else to_redis
        broker_url = "amqp://guest:guest@127.0.0.1:{}//" if rabbitmq else "redis://127.0.0.1:{}/0"
        hub = enter(
            running_hub(
                home,
                HUB_DEMO="0",
                HUB_LEASE_SECONDS=str(LEASE),
                HUB_DATABASE_URL=database.url(to_database.port),
                HUB_REDIS_URL=f"redis://127.0.0.1:{to_redis.port}/1",
                HUB_BROKER_URL=broker_url.format(to_broker.port),
            )
        )
        manage(hub, "apply", "-", given=yaml.safe_dump(_configuration(sink)))
        broker = rabbitmq or redis
        yield Stack(hub, sink, api_key(hub), database, redis, broker, to_database, to_redis, to_broker)


def _configuration(sink: Sink) -> dict:
    return {
        "organization": {"slug": "acme"},
        "integrations": [
            {
                "slug": "sink",
                "provider": "http",
                "settings": {"url": sink.url},
                "allowed_hosts": [sink.host],
                "limits": {"rate_count": 5000, "rate_seconds": 1},
            }
        ],
        "routes": [{"slug": "all", "events": "*", "integration": "sink", "action": "http.send"}],
    }
