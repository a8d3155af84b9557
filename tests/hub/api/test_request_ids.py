"""Every answer of every operation names its request, and so does every line that is logged meanwhile."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import resolve
from rest_framework.exceptions import Throttled

from hub.accounts.models import Scope
from hub.api.problems import Conflict
from hub.lib import throttle
from hub.lib.logs import JsonFormatter
from tests.factories import OrganizationFactory, api_key
from tests.hub.api.conftest import API
from tests.hub.api.test_problems import check
from tests.security.addresses import operations
from webhooks import views

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
#: Errors that any operation may end with, and what they are told as.
ERRORS = [
    (Conflict("It is taken."), 409),
    (Throttled(3), 429),
    (RuntimeError("broken"), 500),
    (OperationalError("away"), 503),
]


class Log(logging.StreamHandler):
    """All that is logged, as the hub would write it: one JSON object a line."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(JsonFormatter())

    def taken(self) -> list[dict[str, Any]]:
        """The lines since it was asked last."""
        lines = [orjson.loads(line) for line in self.stream.getvalue().splitlines()]
        self.stream.seek(0)
        self.stream.truncate()
        return lines


@pytest.fixture
def log() -> Iterator[Log]:
    handler, root = Log(), logging.getLogger()
    request = logging.getLogger("django.request")
    before = root.level, request.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    request.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before[0])
    request.setLevel(before[1])


def call(method: str, path: str, key: str = "") -> Any:
    """Call an operation with names that nothing has."""
    throttle.forget()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    address = path.replace("{type}", "nothing").replace("{", "").replace("}", "")
    client = Client(raise_request_exception=False)
    return client.generic(method.upper(), address, b"{}", "application/json", headers=headers)


def named(answer: Any, log: Log) -> list[dict[str, Any]]:
    """Assert that the answer and what was logged name the request; return the lines."""
    held = answer.headers["X-Request-Id"]
    lines = log.taken()
    assert held
    assert [line for line in lines if line.get("request_id") != held] == []
    return lines


def test_whatever_is_wrong_with_a_call(log: Log) -> None:
    organization = OrganizationFactory()
    good = api_key(organization)
    lesser = {one: api_key(organization, [other for other in Scope if other != one]) for one in Scope}
    log.taken()
    for method, path, operation in operations():
        for status, answer in _refused(method, path, operation, good, lesser):
            check(answer, status)
            named(answer, log)


def _refused(
    method: str, path: str, operation: dict[str, Any], good: str, lesser: dict[Any, str]
) -> Iterator[tuple[int, Any]]:
    yield 405, call("options", path, good)
    if needed := operation.get("x-required-scope"):
        yield 401, call(method, path)
        yield 401, call(method, path, "ick_none_of_ours")
        yield 403, call(method, path, lesser[needed])
        if method == "get" and "{" in path:
            yield 404, call(method, path, good)


def test_an_address_that_there_is_not_and_a_host_that_is_not_ours(log: Log) -> None:
    named(call("get", "/api/nothing"), log)
    named(Client().get("/api/events", headers={"Host": "evil.example"}), log)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=[str(status) for _, status in ERRORS])
def test_whatever_fails_within(
    log: Log, error: Exception, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        logging.getLogger("hub.anything").debug("At work.")
        raise error

    key = api_key()
    log.taken()
    for method, path, _ in operations():
        address = path.replace("{type}", "nothing").replace("{", "").replace("}", "")
        view: Any = resolve(address).func
        with monkeypatch.context() as patch:
            patch.setattr(view.cls, method, fail)
            answer = call(method, path, key)
        check(answer, status)
        lines = named(answer, log)
        assert [line for line in lines if line["message"] == "At work."]
        if status >= 500:
            assert [line for line in lines if line["level"] in ("warning", "error")], path


@pytest.mark.parametrize("error", [RuntimeError("broken"), OperationalError("away")])
def test_a_failing_webhook_names_its_request_and_not_its_address(
    log: Log, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(views, "receive", fail)
    answer = Client(raise_request_exception=False).post("/webhooks/secret-address-1042/")

    assert answer.status_code >= 500
    lines = named(answer, log)
    assert lines
    assert "secret-address" not in str(lines)


def test_what_goes_well_names_its_request_too(api: API, log: Log) -> None:
    for method, path, _ in operations():
        if method == "get" and "{" not in path:
            throttle.forget()
            answer = api.get(path)
            assert answer.status_code == 200, path
            named(answer, log)
