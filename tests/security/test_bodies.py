"""Bodies made to hurt: too large, too deep, numbers without end, packed zeros. A sentence, and soon."""

import gzip
import json
import re
import time
from typing import Any

import pytest
from django.test import Client

from tests import factories as make
from tests.factories import api_key
from tests.security.addresses import operations

MEBIBYTE = 1024 * 1024
#: Seconds within which anything is answered, however busy the machine.
SOON = 20.0

BODIES = {
    "too large": b'{"type": "order.paid", "data": "' + b"a" * (3 * MEBIBYTE) + b'"}',
    "too deep": b"[" * 200_000 + b"]" * 200_000,
    "too deep within": b'{"type": "a", "data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "a number without end": b'{"type": "a", "data": ' + b"9" * 900_000 + b"}",
    "an exponent": b'{"type": "a", "data": 1e400}',
    "half a character": b'{"type": "a", "name": "\\ud800", "data": "\\ud800"}',
    "no UTF-8": b'{"type": "a\xff\xfe"}',
    "many names": b"{" + b",".join(b'"n%d":1' % n for n in range(60_000)) + b"}",
    "packed": gzip.compress(b"0" * (20 * MEBIBYTE)),
}
#: What an endpoint may well take, as long as it is soon.
HARMLESS = {"many names", "an exponent", "a number without end"}


def writing() -> list[tuple[str, str]]:
    """Every operation of the API that takes a body."""
    return [(method, path) for method, path, operation in operations() if "requestBody" in operation]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", list(BODIES))
def test_no_body_breaks_an_endpoint(kind: str) -> None:
    organization = make.OrganizationFactory()
    make.RecordTypeFactory(organization=organization, name="x")
    client = Client(raise_request_exception=False)
    packed = {"content-encoding": "gzip"} if kind == "packed" else {}
    headers = {"authorization": f"Bearer {api_key(organization)}", **packed}
    tried = 0
    for method, path in writing():
        address = re.sub(r"\{[^}]+\}", "x", path)
        started = time.monotonic()
        answer = client.generic(method.upper(), address, BODIES[kind], "application/json", headers=headers)
        assert answer.status_code < 500, (method, path, answer.status_code, answer.content[:300])
        assert kind in HARMLESS or answer.status_code >= 400, (method, path, answer.content[:300])
        assert time.monotonic() - started < SOON, (method, path)
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"].startswith("application/problem+json"), (method, path)
        tried += 1
    assert tried


@pytest.mark.django_db
def test_a_mebibyte_and_more_is_told_the_limit() -> None:
    headers = {"authorization": f"Bearer {api_key()}"}
    answer = Client().post("/api/events", BODIES["too large"], "application/json", headers=headers)
    assert answer.status_code in (400, 413)
    assert "1048576" in answer.text or "MiB" in answer.text


@pytest.mark.django_db
def test_packed_records_do_not_unpack_without_end() -> None:
    organization = make.OrganizationFactory()
    make.RecordTypeFactory(organization=organization, name="x")
    # Ten thousand times its size, in one line that never ends.
    bomb = gzip.compress(b'{"id": "' + b"0" * (300 * MEBIBYTE))
    assert len(bomb) < MEBIBYTE
    started = time.monotonic()
    answer = Client(raise_request_exception=False).generic(
        "POST",
        "/api/records/x/bulk",
        bomb,
        "application/x-ndjson",
        headers={"authorization": f"Bearer {api_key(organization)}", "content-encoding": "gzip"},
    )
    assert answer.status_code < 500
    assert answer.status_code >= 400 or answer.json()["rejected"], answer.content[:300]
    assert time.monotonic() - started < SOON


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["too deep", "a number without end", "half a character", "no UTF-8"])
def test_a_proved_call_with_such_a_body_is_kept_and_harms_nobody(kind: str) -> None:
    integration = make.IntegrationFactory(provider_slug="http")
    secret = "whsec_" + "A" * 43 + "="
    endpoint = make.WebhookEndpointFactory(integration=integration, secrets={"verification_key": secret})
    made: Any = integration.provider.webhook
    body = BODIES[kind]
    from django.utils import timezone

    from webhooks.process import process_due

    signed = made.sign(body, {"verification_key": secret}, "", timezone.now())
    answer = Client(raise_request_exception=False).generic(
        "POST", endpoint.path, body, "application/json", headers=dict(signed)
    )
    assert answer.status_code < 500, answer.content[:200]
    process_due()
    endpoint.refresh_from_db()
    if endpoint.received.exists():
        assert endpoint.received.get().state != "received"


def test_what_is_sent_here_is_larger_than_what_is_taken() -> None:
    assert len(json.loads(BODIES["too large"])["data"]) > MEBIBYTE
