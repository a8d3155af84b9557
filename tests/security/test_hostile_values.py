"""Values that programs trip over, in every parameter and body of the API: told what is wrong, never a 5xx."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from hub.lib import outbound, throttle
from tests.hub.api.conftest import API
from tests.hub.dashboard.world import World, build
from tests.security.addresses import operations

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

#: Digits that no integer is parsed from, or that are other scripts'; times that leave the calendar in UTC.
VALUES = ("9" * 5000, "²", "9223372036854775808", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
HUGE = b"12345678901234567890123"
BODIES = (
    b'{"\\ud800": 1, "n": ' + HUGE + b"}",
    b'{"type": "a.b", "data": {"\\ud800": 1, "n": ' + HUGE + b"}}",
    b'{"type": "a.b", "data": {"n": ' + b"9" * 5000 + b"}}",
    b'{"specversion": "1.0", "type": "a.b", "source": "x", "id": "y", "data_base64": "\xc3\xa9"}',
)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    def answer(method: str, url: str, *_: Any) -> outbound.Response:
        return outbound.Response(200, {"content-type": "application/json"}, b'{"id": "x"}', url)

    monkeypatch.setattr(outbound, "send", answer)
    return build()


def address(world: World, path: str, given: Mapping[str, str]) -> str:
    """Return ``path`` with names that exist, except for those that are ``given``."""
    rows = world.rows
    names = {
        **{name: rows[name].slug for name in ("integration", "mapping", "route", "endpoint")},
        "type": rows["record_type"].name,
        "key": rows["record"].key,
        "rule": str(rows["rule"].pk),
        "provider": "stripe",
        "deed": "cancel",
        **given,
    }
    return re.sub(r"{(\w+)}", lambda found: quote(names.get(found[1], "1"), safe=""), path)


def refusals(api: API, method: str, url: str, body: bytes = b"", kind: str = "application/json") -> list[str]:
    """Send it; return a line where the answer is the hub's own fault."""
    throttle.forget()
    headers = {**api.headers, "If-Match": "*"}
    answer = api.client.generic(method.upper(), url, body, content_type=kind, headers=headers)
    if answer.status_code < 500 and answer.headers.get("X-Request-Id"):
        return []
    return [f"{method} {url[:120]} {body[:60]!r}: {answer.status_code}"]


def test_in_every_parameter(world: World) -> None:
    api, found = API(world.organization), []
    for method, path, operation in operations():
        if path.startswith("/api/auth") or method == "delete":
            continue
        for parameter in operation.get("parameters", []):
            for value in VALUES if parameter["in"] in ("path", "query") else ():
                name = parameter["name"]
                if parameter["in"] == "path":
                    url = address(world, path, {name: value})
                else:
                    url = f"{address(world, path, {})}?{name}={quote(value)}"
                found += refusals(api, method, url, b"" if method == "get" else b"{}")
    assert not found


@pytest.mark.parametrize("kind", ["application/json", "application/cloudevents+json", "application/x-ndjson"])
def test_in_every_body(world: World, kind: str) -> None:
    api, found = API(world.organization), []
    for method, path, _ in operations():
        if path.startswith("/api/auth") or method in ("get", "delete"):
            continue
        for body in BODIES:
            found += refusals(api, method, address(world, path, {}), body, kind)
    assert not found


def test_a_record_with_a_huge_number_is_kept_and_shown(world: World) -> None:
    api = API(world.organization)
    kind = world.rows["record_type"].name
    body = b'{"id": "k1", "n": ' + HUGE + b"}"
    assert not refusals(api, "put", f"/api/records/{kind}/k1", body)
    for how in ("", "?as=csv", "?as=ndjson"):
        assert not refusals(api, "get", f"/api/records/{kind}{how}")
    assert not refusals(api, "put", f"/api/records/{kind}/k2", b'{"id": "k2", "n": "\\u0000"}')
