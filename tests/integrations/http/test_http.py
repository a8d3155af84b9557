"""The generic endpoint: what is sent, how it is signed, what answers mean."""

from datetime import timedelta
from typing import Any

import pytest

from hub.lib.outbound import Response
from integrations.base.errors import AuthError, PermanentError, RateLimited, TransientError
from integrations.base.fields import FieldErrors, clean_all
from integrations.base.standard_webhooks import new_secret, new_signing_key, public_key, verify
from integrations.http.provider import PROVIDER
from integrations.http.webhooks import parse
from tests.integrations.http.driving import EVENT, NOW, Endpoint, context, incoming, send


def test_both_schemes_and_the_previous_key_sign_together() -> None:
    secret, key, old = new_secret(), new_signing_key(), new_secret()
    endpoint = Endpoint()
    send(context(endpoint, signing_secret=secret, signing_key=key, previous_key=old))
    body = endpoint.got[0].body or b""
    assert [entry.split(",")[0] for entry in endpoint.headers["webhook-signature"].split()] == [
        "v1",
        "v1a",
        "v1",
    ]
    for one in (secret, public_key(key), old):
        verify(endpoint.headers, body, [one], NOW)


@pytest.mark.parametrize(("until", "signatures"), [("2026-11-03", 2), ("2026-11-02", 1)])
def test_the_previous_key_signs_until_its_last_day(until: str, signatures: int) -> None:
    endpoint = Endpoint()
    keys = {"signing_secret": new_secret(), "previous_key": new_secret(), "previous_until": until}
    send(context(endpoint, **keys))
    assert len(endpoint.headers["webhook-signature"].split()) == signatures


def test_a_second_try_has_the_same_id_and_another_time() -> None:
    endpoint, secret = Endpoint(), new_secret()
    for now in (NOW, NOW + timedelta(hours=1)):
        assert send(context(endpoint, now=now, key="a.b", signing_secret=secret)).external_id == "a_b"
    first, second = ({k.lower(): v for k, v in one.headers.items()} for one in endpoint.got)
    assert first["webhook-id"] == second["webhook-id"] == "a_b"
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 3600
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (EVENT, EVENT),
        (
            EVENT | {"subject": "order/1", "source": "shop", "id": "x"},
            EVENT,
        ),
        (
            {"type": "x", "time": "2026-01-01T00:00:00Z"},
            {"type": "x", "timestamp": "2026-01-01T00:00:00Z", "data": None},
        ),
        ({"type": "x", "data": [1]}, {"type": "x", "timestamp": NOW.isoformat(), "data": [1]}),
        ({"text": "Hello", "channel": 1}, {"text": "Hello", "channel": 1}),
        ({"type": "card", "blocks": []}, {"type": "card", "blocks": []}),
    ],
)
def test_the_body(data: dict[str, Any], sent: dict[str, Any]) -> None:
    endpoint = Endpoint()
    send(context(endpoint), data)
    assert Response(200, {}, endpoint.got[0].body or b"").json() == sent


def test_without_a_mapping_the_whole_event_is_taken() -> None:
    assert PROVIDER.action("http.send").whole_event
    endpoint = Endpoint()
    event = {
        "id": "1",
        "type": "order.paid",
        "subject": "A-1",
        "source": "shop",
        "time": "2026-01-01",
        "data": {},
    }
    send(context(endpoint), event)
    sent = Response(200, {}, endpoint.got[0].body or b"").json()
    assert sent == {"type": "order.paid", "timestamp": "2026-01-01", "data": {}}


def test_address_method_and_headers_are_the_admins() -> None:
    endpoint = Endpoint()
    url = "https://hooks.example.com/a/?key=1&x=%2F"
    send(context(endpoint, url=url, method="PUT", headers=["X-Source: shop", "X-Empty:"]))
    assert (endpoint.got[0].method, endpoint.got[0].url) == ("PUT", url)
    assert (endpoint.headers["x-source"], endpoint.headers["x-empty"]) == ("shop", "")
    assert "webhook-signature" not in endpoint.headers
    assert endpoint.headers["webhook-id"] == "key-1"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("bearer", "authorization", "Bearer example-token-0000"),
        ("basic", "authorization", "Basic aW50ZXJjaGFuZ2U6ZXhhbXBsZS1wYXNzd29yZC0wMDAw"),
        ("header", "x-api-key", "example-key-0000"),
    ],
)
def test_authentication(auth: str, header: str, value: str) -> None:
    endpoint = Endpoint()
    ctx = context(endpoint, auth=auth)
    send(ctx)
    assert endpoint.headers[header] == value
    assert value.split()[-1] not in repr(ctx.http.exchanges)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentError), (401, AuthError), (403, TransientError), (404, TransientError),
        (410, PermanentError), (413, PermanentError), (422, PermanentError), (301, PermanentError),
        (429, RateLimited), (500, TransientError), (503, TransientError), (418, TransientError),
    ],
)  # fmt: skip
def test_what_answers_mean(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        send(context(Endpoint(status, {"retry-after": "9"})))
    assert type(caught.value) is kind
    if status in (429, 503):
        assert caught.value.retry_after == 9  # type: ignore[attr-defined]
    if status == 410:
        assert "pause the integration" in caught.value.hint  # type: ignore[attr-defined]


def test_a_key_that_cannot_sign_holds_the_queue() -> None:
    endpoint = Endpoint()
    with pytest.raises(AuthError, match="cannot be signed"):
        send(context(endpoint, signing_key="whsk_" + "A" * 86 + "=="))
    assert endpoint.got == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "ftp://example.com"), ("url", "https://user@example.com/"), ("url", "example.com"),
        ("signing_secret", "whsec_short"), ("signing_key", "whsk_AAAA"), ("headers", "no colon"),
        ("previous_until", "soon"), ("method", "DELETE"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_in_the_form(name: str, value: str) -> None:
    with pytest.raises(FieldErrors) as caught:
        clean_all(PROVIDER.fields_for("none"), {"url": "https://example.com/", name: value})
    assert list(caught.value.errors) == [name]


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        (
            b'{"type":"user.created","data":{"id":1},"timestamp":"2026-01-01T00:00:00Z"}',
            "http.user.created",
            {"id": 1},
        ),
        (b'{"type":"x","data":[1]}', "http.x", {"body": [1]}),
        (b'{"type":5,"data":{}}', "http.received", {"type": 5, "data": {}}),
        (b'{"hello":1}', "http.received", {"hello": 1}),
        (b"[1]", "http.received", {"body": [1]}),
        (b"plain text", "http.received", {"body": "plain text"}),
    ],
)
def test_a_call_becomes_an_event(body: bytes, kind: str, data: dict[str, Any]) -> None:
    [notice] = parse(incoming(body))
    assert (notice.id, notice.type, notice.data) == ("msg_1", kind, data)
