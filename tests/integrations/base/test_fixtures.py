"""How a request finds its fixture."""

from typing import Any

import pytest

from integrations.base.fixtures import Canned, Request, event_matches, find_answer
from integrations.base.webhooks import WebhookEvent


def canned(method: str, path: str, body: Any = None, echo: str = "", **match: Any) -> Canned:
    return Canned("test", method, path, match, 200, {}, body, echo)


def answers(*known: Canned) -> list[Canned]:
    return sorted(known, key=lambda one: one.specific)


def test_the_most_specific_exchange_answers() -> None:
    known = answers(
        canned("GET", "/{rest*}", "rest"),
        canned("GET", "/users/{id}", "one"),
        canned("GET", "/users/me", "me"),
        canned("GET", "/users/me", "matched", view="full"),
    )
    bodies = {
        path: found.body if (found := find_answer(known, Request("GET", path, query))) else None
        for path, query in (("/users/me", {}), ("/users/7", {}), ("/a/b/c", {}))
    }
    assert bodies == {"/users/me": "me", "/users/7": "one", "/a/b/c": "rest"}
    matched = find_answer(known, Request("GET", "/users/me", {"view": "full"}))
    assert matched is not None
    assert matched.body == "matched"


def test_a_base_urls_own_path_may_be_left_out() -> None:
    known = answers(canned("GET", "/Patient/{id}", "found"))
    assert find_answer(known, Request("GET", "/api/FHIR/R4/Patient/1"))
    assert find_answer(known, Request("POST", "/Patient/1")) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b'{"kind":"a"}'),
        ({"content-type": "application/x-www-form-urlencoded"}, b"kind=a"),
    ],
)
def test_a_body_is_matched_as_json_and_as_form(headers: dict[str, str], body: bytes) -> None:
    exchange = canned("POST", "/x", kind="a")
    assert exchange.fits(Request("POST", "/x", {}, headers, body))
    assert not exchange.fits(Request("POST", "/x", {}, headers, body.replace(b"a", b"b")))


def test_an_answer_may_echo_the_request() -> None:
    exchange = canned("POST", "/{kind}/batch", {"ok": True}, "{rows: json.inputs[].id, kind: path.kind}")
    request = Request("POST", "/contacts/batch", body=b'{"inputs":[{"id":1},{"id":2}]}')
    assert exchange.answer(request).json() == {"ok": True, "rows": [1, 2], "kind": "contacts"}


def test_a_declared_type_may_end_in_a_star() -> None:
    assert event_matches(WebhookEvent("x.*", ""), "x.order.paid")
    assert not event_matches(WebhookEvent("x.order", ""), "x.order.paid")
