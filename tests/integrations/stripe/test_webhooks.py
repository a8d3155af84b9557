"""Stripe's calls: what proves them, and what they become."""

import json
from datetime import UTC, datetime

import pytest

from integrations.base.webhooks import Refused
from integrations.stripe.webhooks import WEBHOOK
from tests.integrations.support import incoming

SECRETS = {"webhook_signing_secret": "whsec_test_secret"}
#: The official SDK's own test payload, with the time fixed.
AT = 1492774577
BODY = (
    b'{\n  "id": "evt_test_webhook",\n  "object": "event",\n'
    b'  "data": { "object": { "id": "rdr_123", "object": "terminal.reader" } }\n}'
)
GOOD = "d21d91b425674689e03346536b8fec6384a8721d43ebe269a1689a3ad22cba9c"


def verify(header: str, body: bytes = BODY, at: float = AT) -> None:
    WEBHOOK.verify(incoming(body, {"Stripe-Signature": header}, at=at), SECRETS)


@pytest.mark.parametrize(
    "header",
    [
        f"t={AT},v1={GOOD}",
        f"t={AT},v1={'0' * 64},v1={GOOD}",
        f"t={AT},v1={GOOD},v1={'0' * 64},v0={'0' * 64}",
        f"t={AT}, v1={GOOD}",
    ],
    ids=["one", "second of two", "first of two", "blank"],
)
def test_a_signed_call_is_proved(header: str):
    verify(header)


@pytest.mark.parametrize(
    "header",
    [
        f"t={AT},v1={'0' * 64}",
        f"t={AT},v0={GOOD}",
        f"v1={GOOD}",
        f"t={AT + 1},v1={GOOD}",
        f"t={AT},t={AT},v1={GOOD}",
        f"t=,v1={GOOD}",
    ],
)
def test_any_other_call_is_refused(header: str):
    with pytest.raises(Refused):
        verify(header)


@pytest.mark.parametrize("later", [299, -299])
def test_five_minutes_are_tolerated(later: int):
    verify(f"t={AT},v1={GOOD}", at=AT + later)


@pytest.mark.parametrize("later", [301, -301])
def test_more_is_a_replay(later: int):
    with pytest.raises(Refused, match="replay"):
        verify(f"t={AT},v1={GOOD}", at=AT + later)


def test_an_event_of_a_type_nobody_declared_is_read_too():
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "issuing_card.created",
        "created": 1767225600,
        "livemode": True,
        "account": "acct_1",
        "data": {"object": {"id": "ic_1"}, "previous_attributes": {"a": 1}},
    }
    call = incoming(json.dumps(event).encode())
    [notice] = WEBHOOK.parse(call)
    assert WEBHOOK.call_id(call) == notice.id == "evt_1"
    assert (notice.type, notice.subject) == ("stripe.issuing_card.created", "ic_1")
    assert notice.time == datetime(2026, 1, 1, tzinfo=UTC)
    assert notice.data == {
        "object": {"id": "ic_1"},
        "previous_attributes": {"a": 1},
        "livemode": True,
        "account": "acct_1",
    }


def test_a_thin_event_tells_what_to_look_up():
    event = {
        "id": "evt_2",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-01-01T00:00:00.000Z",
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    }
    [notice] = WEBHOOK.parse(incoming(json.dumps(event).encode()))
    assert notice.subject == "mtr_1"
    assert notice.data["related_object"]["url"] == "/v1/billing/meters/mtr_1"
    assert notice.time == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": 3, "created": "x", "type": null, "id": 7}'])
def test_an_odd_body_is_read_without_a_crash(body: bytes):
    [notice] = WEBHOOK.parse(incoming(body))
    assert notice.type == "stripe.event"
