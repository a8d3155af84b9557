"""The short way of machines' calls: the same answer as Django's way, header for header."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
import pytest
from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import RequestFactory

from hub.accounts.models import Scope
from hub.api.straight import straight
from hub.delivery.models import QueueItem
from hub.events.models import Event
from hub.lib import tracing
from tests.factories import RouteFactory, WebhookEndpointFactory, api_key
from tests.hub.api.conftest import API
from tests.webhooks.calls import endpoint_of, fixture_of, signed
from webhooks.models import ReceivedWebhook

pytestmark = pytest.mark.django_db
EVENT = {"type": "order.paid", "subject": "order-1", "data": {"total": "12.50"}}
#: Different in every answer.
OWN = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Told = tuple[str, dict[str, str], bytes]
Making = Callable[[], dict[str, Any]]


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Keep the connection that holds the test's transaction, and note each look at it."""
    seen: list[bool] = []
    monkeypatch.setattr("hub.api.straight.renew_connection", lambda: seen.append(True))
    request_started.disconnect(close_old_connections)
    yield seen
    request_started.connect(close_old_connections)


def no_way(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    raise AssertionError("Django was asked.")


def answered(application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> Told:
    """Return status, headers and body, with what is different in every answer left out."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(application(environ, lambda status, headers: started.append((status, headers))))
    ((status, headers),) = started
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return (
        status,
        {name: OWN.sub("·", value) for name, value in headers},
        OWN.sub("·", body.decode()).encode(),
    )


def both_ways(make: Making) -> tuple[Told, Told]:
    """Return the answer of Django, and that of the short way, which asks Django nothing."""
    return answered(get_wsgi_application(), make()), answered(straight(no_way), make())


def posting(path: str, body: Any, kind: str = "application/json", **headers: str) -> Making:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    names = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return lambda: RequestFactory().generic("POST", path, raw, content_type=kind, headers=names).environ


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (EVENT, {}, 202),
        ({"events": [EVENT, EVENT]}, {}, 202),
        ({**EVENT, "type": ""}, {}, 400),
        (b"{", {}, 400),
        (b'{"type": "a.b", "data": "%s"}' % (b"x" * 1024 * 1024), {}, 413),
        (EVENT, {"kind": "text/plain"}, 415),
        (EVENT, {"Accept": "text/html"}, 406),
        (EVENT, {"Authorization": "Bearer ick_wrong"}, 401),
        (EVENT, {"Authorization": ""}, 401),
        (EVENT, {"Host": "elsewhere.example"}, 400),
        (EVENT, {"X_Request_Id": "given-by-the-caller"}, 202),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_event_is_answered_alike(api: API, body: Any, headers: dict[str, str], status: int) -> None:
    djangos, short = both_ways(posting("/api/events", body, **{**api.headers, **headers}))

    assert short == djangos
    assert short[0].startswith(str(status))


def test_a_key_without_the_scope_is_refused_alike(api: API) -> None:
    key = api_key(api.organization, [Scope.EVENTS_READ])
    djangos, short = both_ways(posting("/api/events", EVENT, Authorization=f"Bearer {key}"))
    assert short == djangos
    assert short[0].startswith("403")


def test_a_fault_is_answered_alike_and_its_text_stays_here(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("The inside of the hub.")

    monkeypatch.setattr("hub.api.events.accept_events", broken)
    djangos, short = both_ways(posting("/api/events", EVENT, **api.headers))
    assert short == djangos
    assert short[0].startswith("500")
    assert b"inside" not in short[2]


def test_an_event_that_came_the_short_way_is_kept_and_queued(api: API, looks: list[bool]) -> None:
    RouteFactory(organization=api.organization)
    status, headers, _ = answered(straight(no_way), posting("/api/events", EVENT, **api.headers)())
    assert status == "202 Accepted"
    assert looks == [True]
    assert headers["Location"] == "/api/events/·"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    event = Event.objects.get()
    assert (event.data, event.origin) == (EVENT["data"], "api")
    assert QueueItem.objects.get().source_id == event.pk


def test_a_providers_call_is_answered_alike_and_kept() -> None:
    endpoint = endpoint_of("stripe")
    body, headers = signed(endpoint, fixture_of("stripe").body)
    djangos, short = both_ways(posting(endpoint.path, body, **headers))
    assert short == djangos
    assert short[0].startswith("2")
    # The second one was the same call again.
    assert [row.state for row in ReceivedWebhook.objects.order_by("pk")] == ["received", "duplicate"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_unproved_call_is_refused_alike(slash: str) -> None:
    endpoint = WebhookEndpointFactory()
    djangos, short = both_ways(posting(endpoint.path.rstrip("/") + slash, {"type": "a.b"}))
    assert short == djangos
    assert short[0].startswith("401")


def test_an_unknown_address_of_webhooks_is_refused_alike() -> None:
    djangos, short = both_ways(posting("/webhooks/unknown-token-1/", {}))
    assert short == djangos
    assert short[0].startswith("404")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/events"),
        ("POST", "/api/events/"),
        ("POST", "/api/records/contact"),
        ("OPTIONS", "/webhooks/some-token-1/"),
        ("POST", "/webhooks/some-token-1/more"),
        ("POST", "/admin/login/"),
    ],
)
def test_all_else_goes_djangos_way(method: str, path: str) -> None:
    environ = RequestFactory().generic(method, path).environ
    assert straight(lambda environ, start: [b"django"])(environ, None) == [b"django"]


def test_a_traced_hub_goes_djangos_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "tracing", lambda: True)
    environ = posting("/api/events", EVENT)()
    assert straight(lambda environ, start: [b"django"])(environ, None) == [b"django"]


def test_the_outer_layers_headers_are_those_of_the_settings(api: API, settings: Any) -> None:
    _, headers, _ = answered(straight(no_way), posting("/api/events", EVENT, **api.headers)())
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == settings.X_FRAME_OPTIONS
    assert headers["Cache-Control"] == "no-store"
