"""What Slack is sent by each way of connecting, and what its answers mean."""

import pytest

from integrations.base.connection_tests import prove
from integrations.base.errors import (
    AuthError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)
from integrations.base.fields import FieldErrors, clean_all
from integrations.base.inputs import read_input
from integrations.slack.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

API = "https://slack.com/api"
POST = f"{API}/chat.postMessage"
HOOK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
POSTED = {"ok": True, "channel": "C1", "ts": "1767225600.000100"}


def run(action: str, values: dict, auth: str = "bot", **overrides):
    found = PROVIDER.action(action)
    return found.run(context(PROVIDER, auth, **overrides), read_input(found.input, values))


def test_a_bot_posts_into_the_channel_that_is_named(door: Door):
    door.answer("POST", POST, json=POSTED)
    result = run("message.post", {"channel": "C1", "text": "Hello"})
    assert result.external_id == "C1:1767225600.000100"
    assert door.last.header("Authorization") == "Bearer xoxb-0000000000-example"
    assert door.last.header("Content-Type") == "application/json; charset=utf-8"
    assert (door.last.json["channel"], door.last.json["text"]) == ("C1", "Hello")


def test_a_message_can_be_traced_to_its_delivery(door: Door):
    door.answer("POST", POST, json=POSTED)
    run("message.post", {"channel": "C1", "text": "Hello"}, key="item-7")
    assert door.last.json["metadata"]["event_payload"] == {"idempotency_key": "item-7"}


def test_a_message_without_a_channel_goes_into_the_integrations_own(door: Door):
    door.answer("POST", POST, json=POSTED)
    run("message.post", {"text": "Hello"}, channel="C0DEFAULT")
    assert door.last.json["channel"] == "C0DEFAULT"


def test_without_any_channel_the_item_is_refused_before_it_is_sent(door: Door):
    with pytest.raises(Rejected) as caught:
        run("message.post", {"text": "Hello"}, channel=None)
    assert "channel" in caught.value.fields


def test_title_link_and_thread_are_put_in_slacks_words(door: Door):
    door.answer("POST", POST, json=POSTED)
    thread = "C1:1767225600.000100"
    run(
        "message.post",
        {"channel": "C1", "text": "paid", "title": "Invoice", "link": "https://e.com", "thread": thread},
    )
    assert door.last.json["text"] == "*Invoice*\npaid\n<https://e.com>"
    assert door.last.json["thread_ts"] == "1767225600.000100"


def test_govslack_has_an_address_of_its_own(door: Door):
    door.answer("POST", "https://slack-gov.com/api/chat.postMessage", json=POSTED)
    run("message.post", {"channel": "C1", "text": "Hello"}, domain="slack-gov.com")


def test_an_incoming_webhook_posts_to_its_url_and_logs_none_of_it(door: Door):
    door.answer("POST", HOOK, body="ok")
    found, ctx = PROVIDER.action("message.post"), context(PROVIDER, "webhook")
    result = found.run(ctx, read_input(found.input, {"channel": "C1", "text": "Hello"}))
    assert door.last.json == {"text": "Hello"}
    assert door.last.header("Authorization") == ""
    assert result.external_id == ""
    assert "XXXXXXXX" not in repr(ctx.http.exchanges)


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("slack.update_message", {"channel": "C1", "ts": "1.2", "text": "x"}),
        ("slack.find_user", {"email": "ada@example.com"}),
    ],
)
def test_an_incoming_webhook_can_do_nothing_else(door: Door, action: str, values: dict):
    with pytest.raises(PermanentError) as caught:
        run(action, values, "webhook")
    assert "bot token" in caught.value.hint


def test_a_user_is_found(door: Door):
    door.answer("POST", f"{API}/users.lookupByEmail", json={"ok": True, "user": {"id": "U1", "name": "ada"}})
    result = run("slack.find_user", {"email": "ada@example.com"})
    assert (result.external_id, result.data["name"]) == ("U1", "ada")
    assert door.last.form == {"email": ["ada@example.com"]}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("invalid_auth", AuthError),
        ("token_revoked", AuthError),
        ("account_inactive", AuthError),
        ("missing_scope", AuthError),
        ("ratelimited", RateLimited),
        ("internal_error", TransientError),
        ("service_unavailable", TransientError),
        ("channel_not_found", Rejected),
        ("msg_too_long", Rejected),
        ("something_new", PermanentError),
    ],
)
def test_an_error_with_status_200_is_an_error(door: Door, error: str, kind: type):
    door.answer("POST", POST, json={"ok": False, "error": error, "needed": "chat:write"})
    with pytest.raises(kind, match=r"limit" if kind is RateLimited else error) as caught:
        run("message.post", {"channel": "C1", "text": "Hello"})
    assert type(caught.value) is kind


def test_a_missing_scope_is_named(door: Door):
    door.answer("POST", POST, json={"ok": False, "error": "missing_scope", "needed": "chat:write"})
    with pytest.raises(AuthError) as caught:
        run("message.post", {"channel": "C1", "text": "Hello"})
    assert "chat:write" in caught.value.hint


def test_slack_says_how_long_to_wait(door: Door):
    answer = {"ok": False, "error": "ratelimited"}
    door.answer("POST", POST, 429, json=answer, headers={"Retry-After": "30"})
    with pytest.raises(RateLimited) as caught:
        run("message.post", {"channel": "C1", "text": "Hello"})
    assert caught.value.retry_after == 30


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "invalid_payload", PermanentError),
        (400, "no_text", Rejected),
        (403, "action_prohibited", PermanentError),
        (403, "invalid_token", AuthError),
        (404, "no_service", AuthError),
        (404, "channel_not_found", AuthError),
        (410, "channel_is_archived", AuthError),
        (429, "rate_limited", RateLimited),
        (500, "rollup_error", TransientError),
        (503, "<html>", TransientError),
    ],
)
def test_an_incoming_webhooks_one_word_is_understood(door: Door, status: int, body: str, kind: type):
    door.answer("POST", HOOK, status, body=body)
    with pytest.raises(kind) as caught:
        run("message.post", {"text": "Hello"}, "webhook")
    assert type(caught.value) is kind


@pytest.mark.parametrize("body", ["<html>maintenance</html>", "[]", "{}", ""])
@pytest.mark.parametrize(("auth", "url"), [("bot", POST), ("webhook", HOOK)])
def test_an_answer_that_is_not_slacks_is_no_success(door: Door, auth: str, url: str, body: str):
    door.answer("POST", url, body=body)
    with pytest.raises(TransientError):
        run("message.post", {"channel": "C1", "text": "Hello"}, auth)


def test_the_account_is_named_when_a_token_is_tested(door: Door):
    door.answer("POST", f"{API}/auth.test", json={"ok": True, "team": "Example", "team_id": "T1"})
    assert prove(PROVIDER, "bot", context(PROVIDER, "bot")).external_id == "Example"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(404, "no_service", AuthError), (200, "ok", PermanentError), (500, "", TransientError)],
)
def test_a_webhook_that_is_not_alive_fails_its_test(door: Door, status: int, body: str, kind: type):
    door.answer("POST", HOOK, status, body=body)
    with pytest.raises(kind):
        prove(PROVIDER, "webhook", context(PROVIDER, "webhook"))
    assert door.last.json == {}


@pytest.mark.parametrize(
    ("auth", "values"),
    [
        ("bot", {"bot_token": "xoxa-1"}),
        ("bot", {"bot_token": "xoxb-0 0"}),
        ("webhook", {"webhook_url": "https://hooks.slack.com.evil.example/services/T0/B0/X"}),
        ("webhook", {"webhook_url": "http://hooks.slack.com/services/T0/B0/X"}),
        ("webhook", {"webhook_url": "https://hooks.slack.com/workflows/T0/B0/X"}),
    ],
)
def test_what_is_no_credential_of_slack_is_refused_in_the_form(auth: str, values: dict):
    with pytest.raises(FieldErrors):
        clean_all(PROVIDER.scheme(auth).fields, values)


def test_a_webhook_and_a_bot_of_one_workspace_are_of_the_same_account(door: Door):
    door.answer("POST", f"{API}/auth.test", json={"ok": True, "team": "Example", "team_id": "T00000000"})
    door.answer("POST", HOOK, 400, body="no_text")
    told = {auth: prove(PROVIDER, auth, context(PROVIDER, auth)).account_id for auth in ("bot", "webhook")}
    assert told == {"bot": "T00000000", "webhook": "T00000000"}
