"""Web processes as they run, several at once and killed in the middle: what was answered is kept."""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from django.utils import timezone

from hub.delivery.models import QueueItem
from hub.events.models import Event
from tests.factories import RouteFactory, api_key
from tests.hub.running import wait_until
from tests.hub.web import Line, Web
from tests.webhooks.calls import endpoint_of, signed
from webhooks.models import ReceivedWebhook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
THREADS = 12


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
