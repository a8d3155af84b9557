"""Kill -9 in the middle of everything: what was accepted is delivered, and only told again under its key."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.hub.running import ROOT, Hub, running_hub, short_home, wait_until
from tests.services.sink import Sink, listening

pytestmark = pytest.mark.timeout(400)

COUNT = 500
#: Killed once so many have come through: in the middle.
MIDDLE = 100


@pytest.fixture
def sink() -> Iterator[Sink]:
    with listening() as found:
        yield found


@pytest.fixture
def hub(sink: Sink) -> Iterator[Hub]:
    """A hub that sends every event to the sink; a dead worker's items are free again after 5 s."""
    with short_home() as home, running_hub(home, HUB_DEMO="0", HUB_LEASE_SECONDS="5") as running:
        document = {
            "organization": {"slug": "acme"},
            "integrations": [
                {
                    "slug": "sink",
                    "provider": "http",
                    "settings": {"url": sink.url},
                    "allowed_hosts": [sink.host],
                    "limits": {"rate_count": 200, "rate_seconds": 1},
                }
            ],
            "routes": [{"slug": "all", "events": "*", "integration": "sink", "action": "http.send"}],
        }
        manage(running, "apply", "-", given=yaml.safe_dump(document))
        yield running


def manage(hub: Hub, *arguments: str, given: str = "") -> str:
    """Run a management command of the hub under test."""
    env = {**hub.env, "HUB_URL": hub.url}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=env, input=given, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def api_key(hub: Hub) -> str:
    return manage(
        hub, "createapikey", "--organization", "acme", "--name", "shop", "--scope", "events:write"
    ).splitlines()[-1]


def post(hub: Hub, key: str, body: object) -> dict:
    """Send to /api/events as an application does: again and again until it is answered with 202."""
    for _ in range(120):
        request = urllib.request.Request(
            f"{hub.url}/api/events",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
        except (OSError, ValueError):
            pass  # the web process is being killed or started
        threading.Event().wait(0.25)
    raise AssertionError("The hub did not come back.")


def event(number: int) -> dict:
    return {"type": "order.paid", "data": {"number": number}, "idempotency_key": f"order-{number}"}


def rows(home: Path, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(f"file:{home}/hub.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(query).fetchall()


def check_nothing_lost(hub: Hub, sink: Sink, accepted: set[str]) -> None:
    """Wait until the queue is empty; compare what was accepted, what was queued and what arrived."""
    open_items = "select count(*) from delivery_queueitem where state in ('pending', 'processing')"
    wait_until(lambda: rows(hub.home, open_items) == [(0,)], "the queue to empty", 120)
    events = {row[0].replace("-", "") for row in rows(hub.home, "select id from events_event")}
    assert {one.replace("-", "") for one in accepted} == events
    assert len(events) == COUNT
    items = rows(hub.home, "select id, state from delivery_queueitem")
    assert {state for _, state in items} == {"completed"}
    assert len(items) == COUNT
    keys = {f"hub_{item.replace('-', '')}" for item, _ in items}
    arrived = {key for key in sink.keys if not key.startswith("test_")}  # less connection tests
    assert arrived == keys, "each item's idempotency key reached the sink, and no other"
    changed = [key for key in keys if len(sink.bodies[key]) > 1]
    assert not changed, "a repetition says the same"


def test_a_worker_killed_in_the_middle_of_its_deliveries_loses_nothing(hub: Hub, sink: Sink) -> None:
    key = api_key(hub)
    answer = post(hub, key, {"events": [event(number) for number in range(COUNT)]})
    accepted = {one["id"] for one in answer["events"]}
    wait_until(lambda: len(sink.keys) >= MIDDLE, "the first deliveries")
    hub.kill("django worker")
    assert len(sink.keys) < COUNT, "the worker was killed in the middle"
    check_nothing_lost(hub, sink, accepted)
    assert hub.says("The worker process ended unexpectedly")


def test_a_web_process_killed_in_the_middle_of_posts_loses_nothing(hub: Hub, sink: Sink) -> None:
    key = api_key(hub)
    accepted: dict[int, str] = {}

    def send(number: int) -> None:
        accepted[number] = post(hub, key, event(number))["id"]

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, number) for number in range(COUNT)]
        wait_until(lambda: len(accepted) >= MIDDLE, "the first posts")
        hub.kill("granian")
        assert len(accepted) < COUNT, "the web process was killed in the middle"
        for one in sent:
            one.result()
    check_nothing_lost(hub, sink, set(accepted.values()))
    assert len(set(accepted.values())) == COUNT, "each idempotency key is one event"
    assert hub.says("The web process ended unexpectedly")
