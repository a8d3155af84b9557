"""Slack's calls: what proves them, and what they become."""

import json
from urllib.parse import urlencode

import pytest

from integrations.base.webhooks import Incoming, Refused
from integrations.slack.webhooks import WEBHOOK
from tests.integrations.support import incoming

#: The vector of Slack's own documentation and SDK.
SECRETS = {"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5"}
AT = 1531420618
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
GOOD = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
FORM = "application/x-www-form-urlencoded"


def call(body: bytes = BODY, *, stamp: str = str(AT), signature: str = GOOD, at: float = AT) -> Incoming:
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
    return incoming(body, headers, at=at, content_type=FORM)


def of_json(payload: object) -> Incoming:
    return incoming(json.dumps(payload).encode(), content_type="application/json; charset=utf-8")


def of_form(values: dict) -> Incoming:
    return incoming(urlencode(values).encode(), content_type=FORM + "; charset=utf-8")


@pytest.mark.parametrize("later", [0, 299, -299])
def test_slacks_own_example_is_proved(later: int):
    WEBHOOK.verify(call(at=AT + later), SECRETS)


@pytest.mark.parametrize(
    "changed",
    [
        {"body": BODY + b"&"},
        {"signature": GOOD.upper()},
        {"signature": GOOD.removeprefix("v0=")},
        {"signature": "v1=" + GOOD.removeprefix("v0=")},
        {"stamp": str(AT + 1)},
        {"stamp": f"{AT}.0"},
        {"at": AT + 301},
        {"at": AT - 301},
    ],
    ids=["body", "case", "no version", "other version", "time", "no number", "old", "from the future"],
)
def test_any_other_call_is_refused(changed: dict):
    with pytest.raises(Refused):
        WEBHOOK.verify(call(**changed), SECRETS)


def test_the_check_of_the_address_is_answered():
    answer = WEBHOOK.handshake(of_json({"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB"}))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"3eZbrw1aB")
    assert answer.content_type.startswith("text/plain")


def test_nothing_else_is_taken_for_a_check():
    assert WEBHOOK.handshake(call()) is None
    assert WEBHOOK.handshake(of_json({"type": "event_callback", "event": {}})) is None


def test_a_pressed_button_becomes_an_event():
    payload = {
        "type": "block_actions",
        "token": "old",
        "trigger_id": "1.2.x",
        "user": {"id": "U1"},
        "actions": [{"action_id": "approve", "value": "1842", "action_ts": "1767225601.5"}],
    }
    pressed = of_form({"payload": json.dumps(payload)})
    [notice] = WEBHOOK.parse(pressed)
    assert (notice.type, notice.subject) == ("slack.interaction.block_actions", "approve")
    assert notice.data["actions"][0]["value"] == "1842"
    assert "token" not in notice.data
    assert notice.time is not None
    assert notice.time.timestamp() == 1767225601.5
    assert WEBHOOK.call_id(pressed) == notice.id == "1.2.x"


def test_a_slash_command_becomes_an_event():
    [notice] = WEBHOOK.parse(call())
    assert (notice.type, notice.subject) == ("slack.slash_command", "/webhook-collect")
    assert notice.data["text"] == ""
    assert notice.data["user_id"] == "U2CERLKJA"
    assert "token" not in notice.data


def test_an_event_of_a_type_nobody_declared_is_read_too():
    event = {"type": "file_shared", "channel_id": "C1", "user": "U1"}
    outer = {"type": "event_callback", "event_id": "Ev1", "event_time": 1767225600, "event": event}
    [notice] = WEBHOOK.parse(of_json(outer))
    assert (notice.id, notice.type) == ("Ev1", "slack.file_shared")
    assert notice.data["event"] == event


def test_a_repetition_has_the_same_id():
    outer = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}
    assert WEBHOOK.call_id(of_json(outer)) == WEBHOOK.call_id(of_json(outer)) == "Ev1"


def test_slack_says_that_it_holds_back_events():
    limited = {
        "type": "app_rate_limited",
        "team_id": "T1",
        "minute_rate_limited": 1767225600,
        "api_app_id": "A1",
    }
    [notice] = WEBHOOK.parse(of_json(limited))
    assert (notice.type, notice.subject) == ("slack.app_rate_limited", "T1")


def test_a_check_of_the_certificate_is_no_event():
    assert WEBHOOK.parse(of_form({"ssl_check": "1", "token": "t"})) == []


def test_an_answer_is_due_within_three_seconds():
    assert WEBHOOK.deadline == 3
    assert WEBHOOK.answer.body == b""
