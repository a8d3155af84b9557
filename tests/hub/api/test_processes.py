"""Web processes as they run, several at once and killed in the middle: what was answered is kept."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from hub.delivery.models import QueueItem
from hub.events.models import Event
from tests.factories import RouteFactory, api_key
from tests.hub.running import free_port, wait_until
from tests.webhooks.calls import endpoint_of, signed
from webhooks.models import ReceivedWebhook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
THREADS = 12
COMMAND = (
    "--interface",
    "wsgi",
    "--workers",
    "1",
    "--blocking-threads",
    "16",
    "--no-ws",
    "--log-level",
    "error",
)


def database_url() -> str:
    """The test database, as another process finds it."""
    held = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{held['NAME']}"
    place = f"{held['HOST'] or '127.0.0.1'}:{held['PORT'] or 5432}"
    return f"postgres://{held['USER']}:{held['PASSWORD']}@{place}/{held['NAME']}"


class Web:
    """A web process of the hub on the test database."""

    def __init__(self) -> None:
        self.port = free_port()
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "hub.settings",
            "HUB_DATABASE_URL": database_url(),
            "HUB_HOME": str(settings.HUB.home),
        }
        command = [
            sys.executable,
            "-m",
            "granian",
            *COMMAND,
            "--port",
            str(self.port),
            "hub.wsgi:application",
        ]
        self._process = subprocess.Popen(command, env=env, start_new_session=True)

    def answers(self) -> bool:
        """Whether it is up."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.connect().post("/healthz", b"", {}, method="GET")[0] == 200
        return False

    def connect(self) -> "Line":
        """Open a connection that is kept."""
        return Line(self.port)

    def kill(self) -> None:
        """End it and what it started, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Line:
    """One connection, used again and again."""

    def __init__(self, port: int):
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(
        self, path: str, body: bytes, headers: dict[str, str], method: str = "POST"
    ) -> tuple[int, dict[str, Any]]:
        """Return status and answer; raise OSError or HTTPException where there is none."""
        self._line.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = self._line.getresponse()
        told = answer.read()
        return answer.status, orjson.loads(told) if told.startswith(b"{") else {}


@pytest.fixture
def start() -> Iterator[Callable[[], Web]]:
    """Start web processes; all are ended after the test."""
    started: list[Web] = []

    def one() -> Web:
        web = Web()
        started.append(web)
        wait_until(web.answers, "the web process to answer")
        return web

    yield one
    for web in started:
        web.kill()


def bring_until_killed(web: Web, post: Callable[[Line, int], object], at_least: int) -> list[object]:
    """Post from many connections; kill the process in the middle; return what was answered."""
    answered: list[object] = []
    enough = threading.Event()

    def bring(thread: int) -> None:
        line = web.connect()
        with contextlib.suppress(OSError, http.client.HTTPException):
            for turn in range(100_000):
                answered.append(post(line, thread * 100_000 + turn))
                if len(answered) >= at_least:
                    enough.set()
        enough.set()

    with ThreadPoolExecutor(THREADS) as pool:
        for thread in range(THREADS):
            pool.submit(bring, thread)
        assert enough.wait(60)
        web.kill()
    assert len(answered) >= at_least
    return answered


def test_a_killed_web_process_loses_no_event_that_it_accepted(start: Callable[[], Web]) -> None:
    route = RouteFactory()
    RouteFactory(organization=route.organization)
    headers = {"Authorization": f"Bearer {api_key(route.organization)}"}

    def post(line: Line, number: int) -> str:
        body = orjson.dumps({"type": "order.paid", "data": {"n": number}, "idempotency_key": f"k-{number}"})
        status, answer = line.post("/api/events", body, headers)
        assert (status, answer["items"]) == (202, 2)
        return str(answer["id"])

    accepted = bring_until_killed(start(), post, 300)
    kept = {str(pk) for pk in Event.objects.values_list("pk", flat=True)}
    assert len(set(accepted)) == len(accepted)
    assert set(accepted) <= kept
    items = Counter(str(pk) for pk in QueueItem.objects.values_list("source_id", flat=True))
    assert items == dict.fromkeys(kept, 2), "an event and its items are kept, or not, together"


def test_a_killed_web_process_loses_no_call_that_it_took(start: Callable[[], Web]) -> None:
    endpoint = endpoint_of("stripe", rate_per_minute=0)

    def post(line: Line, number: int) -> str:
        body, headers = signed(endpoint, orjson.dumps({"id": f"evt_{number}", "type": "invoice.paid"}))
        status, _ = line.post(endpoint.path, body, headers)
        assert status == 200
        return f"evt_{number}"

    taken = bring_until_killed(start(), post, 300)
    kept = ReceivedWebhook.objects.filter(state="received").values_list("call_id", flat=True)
    assert set(taken) <= set(kept)
    assert len(set(taken)) == len(taken)


def test_two_processes_accept_a_key_once(start: Callable[[], Web]) -> None:
    route = RouteFactory()
    headers = {"Authorization": f"Bearer {api_key(route.organization)}"}
    webs = [start(), start()]
    keys = [f"k-{number}" for number in range(60)]

    def post(thread: int) -> list[tuple[str, str, bool]]:
        line = webs[thread % 2].connect()
        answers = []
        for key in keys if thread % 4 < 2 else keys[::-1]:
            events = [{"type": "order.paid", "idempotency_key": each} for each in (key, f"{key}-too")]
            status, told = line.post("/api/events", orjson.dumps({"events": events}), headers)
            assert status == 202
            for event, answer in zip(events, told["events"], strict=True):
                answers.append((event["idempotency_key"], answer["id"], answer["duplicate"]))
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for told in pool.map(post, range(8)) for answer in told]
    first = Counter(key for key, _, duplicate in answers if not duplicate)
    assert first == dict.fromkeys([*keys, *(f"{key}-too" for key in keys)], 1)
    assert len({(key, pk) for key, pk, _ in answers}) == len(first)
    assert Event.objects.count() == QueueItem.objects.count() == len(first)
    assert QueueItem.objects.filter(due_at__lte=timezone.now()).count() == len(first)
