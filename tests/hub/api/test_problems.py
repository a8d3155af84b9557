"""Every error is a problem (RFC 9457), whoever raised it."""

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from hub.api import events
from hub.lib.slow_bodies import SlowBody
from tests.hub.api.conftest import API, PROBLEM

pytestmark = pytest.mark.django_db
EVENT = {"type": "order.paid"}


def check(answer: Any, status: int) -> dict[str, Any]:
    """Assert that ``answer`` is a whole problem and return it."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == PROBLEM
    held = answer.json()
    assert held["status"] == status
    assert held["type"] == "about:blank"
    assert held["title"]
    assert held["detail"]
    assert held["request_id"] == answer.headers["X-Request-Id"]
    return held


def test_400_names_the_field(api: API) -> None:
    held = check(api.post("/api/events", {"data": 1}), 400)

    assert held["errors"] == [{"field": "type", "message": "'type' is needed."}]


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"type": "a.b",}', b"\xff\xfe", b"[" * 2000])
def test_400_where_the_body_is_not_json(api: API, body: bytes) -> None:
    check(api.post("/api/events", body), 400)


@pytest.mark.parametrize("path", ["/api/events", "/api/mappings"])
@pytest.mark.parametrize("error", [SlowBody("too slow"), ConnectionResetError("gone")])
def test_408_where_the_body_does_not_come_to_its_end(api: API, path: str, error: OSError) -> None:
    class Broken:
        def read(self, *size: int) -> bytes:
            raise error

        readline = read

    lost = {"wsgi.input": Broken(), "CONTENT_LENGTH": "10", "CONTENT_TYPE": "application/json"}
    answer = api.client.post(path, headers=api.headers, **lost)
    assert "nothing of it was kept" in check(answer, 408)["detail"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_401_says_how_a_key_is_sent(method: str) -> None:
    answer = getattr(Client(), method)("/api/events")

    assert "Authorization: Bearer" in check(answer, 401)["detail"]


def test_403_without_the_scope() -> None:
    from tests.factories import OrganizationFactory

    check(API(OrganizationFactory(), ["events:read"]).post("/api/events", EVENT), 403)


@pytest.mark.parametrize("path", ["/api/nothing", "/api/events/", "/api/", "/api/events/x/y"])
def test_404_where_there_is_nothing(api: API, path: str) -> None:
    check(api.get(path), 404)


def test_405_names_what_is_allowed(api: API) -> None:
    answer = api.client.delete("/api/events", headers=api.headers)

    assert check(answer, 405)["detail"] == "This address does not take that method."
    assert "POST" in answer.headers["Allow"]


def test_406_for_html(api: API) -> None:
    answer = api.client.get("/api/events", headers={**api.headers, "Accept": "text/html"})

    assert "application/json" in check(answer, 406)["detail"]


def test_413_names_the_limit(api: API) -> None:
    held = check(api.post("/api/events", {"type": "a.b", "data": "x" * 1024 * 1024}), 413)

    assert "1 MiB" in held["detail"]


def test_413_for_a_batch_is_told_before_it_is_read(api: API) -> None:
    answer = api.client.generic(
        "POST",
        "/api/events",
        b"[]",
        content_type="application/json",
        headers={**api.headers, "Content-Length": str(33 * 1024 * 1024)},
    )

    assert "32 MiB" in check(answer, 413)["detail"]


def test_415_names_what_is_taken(api: API) -> None:
    held = check(api.post("/api/events", b"<a/>", "application/xml"), 415)

    assert "application/json" in held["detail"]


def test_429_says_how_long_to_wait(api: API, hub: Any) -> None:
    hub(api_rate_per_minute=2)

    answers = [api.get("/api/events") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    check(answers[2], 429)
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60


def test_500_tells_nothing_but_the_request_id(api: API, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(events, "accept_events", broken)
    answer = api.post("/api/events", EVENT)

    check(answer, 500)
    assert b"secret" not in answer.content


def test_a_host_that_is_not_allowed_is_a_problem_too(api: API) -> None:
    answer = api.client.get("/api/events", headers={**api.headers, "Host": "evil.example"})

    check(answer, 400)


@pytest.mark.parametrize("path", ["/api/events", "/api/queue", "/api/mappings", "/api/integrations/logs"])
def test_400_for_a_filter_without_a_value(api: API, path: str) -> None:
    """As a script sends it whose variable is empty: it must not get all."""
    name = {"/api/events": "subject", "/api/mappings": "action"}.get(path, "integration")
    held = check(api.get(path, **{name: ""}), 400)

    assert held["errors"] == [
        {"field": name, "message": f"'{name}' is empty; give it a value, or leave it out."}
    ]


@pytest.mark.parametrize("path", ["/api/events", "/api/integrations/status", "/api/nothing", "/api/events/"])
def test_no_cache_keeps_an_answer(api: API, path: str) -> None:
    assert api.get(path).headers["Cache-Control"] == "no-store"
    assert Client().get(path).headers["Cache-Control"] == "no-store"
    assert api.post("/api/events", EVENT).headers["Cache-Control"] == "no-store"


def test_the_callers_request_id_is_kept_where_it_is_sane(api: API) -> None:
    def echoed(text: str) -> str:
        return api.client.get("/api/events", headers={**api.headers, "X-Request-Id": text}).headers[
            "X-Request-Id"
        ]

    assert echoed("trace-12345") == "trace-12345"
    assert echoed("<script>") != "<script>"
    assert Client().get("/healthz").headers["X-Request-Id"]


@pytest.mark.parametrize("error", [OperationalError("database or disk is full"), InterfaceError("closed")])
def test_503_where_the_database_takes_nothing_and_when_to_come_again(
    api: API, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A disk that is full, or a database that is away: nothing was kept, and the caller is told so."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(events, "accept_events", fail)
    answer = api.post("/api/events", EVENT)

    held = check(answer, 503)
    assert "Send it again" in held["detail"]
    assert answer.headers["Retry-After"] == "5"
    assert str(error) not in answer.content.decode()
