"""SendGrid: messages, contacts whose wrong rows fail alone, and what its errors mean."""

import time

import pytest

from integrations.base.capabilities import Contact, EmailMessage
from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, RateLimited, Rejected
from integrations.base.results import Result
from integrations.sendgrid import client
from integrations.sendgrid.provider import PROVIDER
from tests.conftest import Door, Sent
from tests.integrations.support import context

SEND, CONTACTS = "/v3/mail/send", "/v3/marketing/contacts"


def send(door: Door, values: dict, status: int = 202, **overrides) -> tuple[Result, dict]:
    door.answer("POST", SEND, status, headers={"X-Message-Id": "m1"} if status == 202 else {})
    result = PROVIDER.action("email.send").run(context(PROVIDER, **overrides), EmailMessage(**values))
    return result, door.last.json


def test_a_message_carries_the_items_key_and_no_address_twice(door: Door):
    people = {"to": "ada@example.com", "cc": "ADA@example.com, grace@example.com", "bcc": "grace@example.com"}
    result, body = send(door, {**people, "subject": "Hi", "text": "Hi", "categories": ["a", "a", "b"]})
    (person,) = body["personalizations"]
    assert person["custom_args"] == {"hub_message_id": "item-1"}
    assert person["to"] == [{"email": "ada@example.com"}]
    assert person["cc"] == [{"email": "grace@example.com"}]
    assert "bcc" not in person
    assert body["categories"] == ["a", "b"]
    assert body["from"] == {"email": "hello@example.com", "name": "Ada"}
    assert result.external_id == "m1"


def test_dynamic_and_legacy_templates_take_their_values_differently(door: Door):
    data = {"to": "ada@example.com", "template_data": {"total": 12.5}}
    _, dynamic = send(door, {**data, "template_id": "d-1"})
    _, legacy = send(door, {**data, "template_id": "5997fcf6"})
    assert dynamic["personalizations"][0]["dynamic_template_data"] == {"total": 12.5}
    assert legacy["personalizations"][0]["substitutions"] == {"total": "12.5"}
    assert "content" not in dynamic


def test_sandbox_mode_says_that_nothing_was_sent(door: Door):
    message = {"to": "ada@example.com", "subject": "Hi", "html": "<p>Hi</p>"}
    result, body = send(door, message, 200, sandbox_mode=True)
    assert body["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert "nothing was sent" in result.message


def test_the_region_is_in_the_address_but_contacts_are_global(door: Door):
    send(door, {"to": "ada@example.com", "subject": "Hi", "text": "Hi"}, region="api.eu")
    assert door.last.url == "https://api.eu.sendgrid.com/v3/mail/send"
    door.answer("PUT", CONTACTS, 202, json={"job_id": "j"})
    upsert([Contact(email="ada@example.com")], region="api.eu")
    assert door.last.url == "https://api.sendgrid.com/v3/marketing/contacts"


def upsert(people: list[Contact], **overrides) -> list:
    return PROVIDER.action("contact.upsert").run_many(context(PROVIDER, **overrides), people)


def test_contacts_go_in_one_request_with_their_custom_fields(door: Door):
    door.answer("PUT", CONTACTS, 202, json={"job_id": "j"})
    people = [
        Contact(
            email="ada@example.com",
            first_name="Ada",
            company="Engines",
            properties={"city": "London", "w1": 4},
        ),
        Contact(email="grace@example.com"),
    ]
    outcomes = upsert(people, company_field="e1_T", list_ids=["00000000-0000-4000-8000-000000000000"])
    assert door.last.json == {
        "contacts": [
            {
                "email": "ada@example.com",
                "first_name": "Ada",
                "city": "London",
                "custom_fields": {"w1": 4, "e1_T": "Engines"},
            },
            {"email": "grace@example.com"},
        ],
        "list_ids": ["00000000-0000-4000-8000-000000000000"],
    }
    assert [one.data for one in outcomes] == [{"job_id": "j"}] * 2


def test_contacts_that_sendgrid_names_are_refused_alone(door: Door):
    def bad(sent: Sent) -> bool:
        return "grace" in sent.body.decode()

    said = {"errors": [{"message": "length exceeds limit", "field": "contacts[1].first_name"}]}
    door.answer("PUT", bad, 400, json=said)
    door.answer("PUT", CONTACTS, 202, json={"job_id": "j"})
    ada, grace, mary = upsert([Contact(email=f"{name}@example.com") for name in ("ada", "grace", "mary")])
    assert isinstance(ada, Result)
    assert isinstance(mary, Result)
    assert isinstance(grace, Rejected)
    assert grace.fields == {"first_name": "length exceeds limit"}


def test_a_batch_that_is_refused_without_naming_a_row_fails_whole(door: Door):
    door.answer("PUT", CONTACTS, 400, json={"errors": [{"message": "list not found", "field": "list_ids"}]})
    with pytest.raises(Rejected) as caught:
        upsert([Contact(email="ada@example.com")])
    assert caught.value.fields == {"list_ids": "list not found"}


def test_requests_stay_below_sendgrids_size(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "MAX_BYTES", 100)
    door.answer("PUT", CONTACTS, 202, json=lambda sent: {"job_id": str(len(sent.json["contacts"]))})
    outcomes = upsert([Contact(email=f"person{number}@example.com") for number in range(5)])
    assert [one.data["job_id"] for one in outcomes] == ["3", "3", "3", "2", "2"]


def test_the_limits_reset_says_how_long_to_wait(door: Door):
    reset = str(int(time.time()) + 30)
    door.answer(
        "POST", SEND, 429, json={"errors": [{"message": "too many"}]}, headers={"X-RateLimit-Reset": reset}
    )
    with pytest.raises(RateLimited) as caught:
        send(door, {"to": "ada@example.com", "subject": "Hi", "text": "Hi"})
    assert 25 < caught.value.retry_after <= 30


@pytest.mark.parametrize(("field", "kind"), [("from", Rejected), (None, AuthError)])
def test_403_is_a_sender_or_a_right(door: Door, field: str | None, kind: type):
    door.answer("POST", SEND, 403, json={"errors": [{"message": "no", "field": field}]})
    with pytest.raises(kind) as caught:
        send(door, {"to": "ada@example.com", "subject": "Hi", "text": "Hi"})
    assert caught.value.hint


def test_an_address_that_was_not_suppressed_is_no_failure(door: Door):
    door.answer("DELETE", "/v3/asm/suppressions/global/ada%2Bx%40example.com", 404, json={"errors": []})
    release = PROVIDER.action("sendgrid.unsuppress")
    result = release.run(context(PROVIDER), release.input(email="ada+x@example.com"))
    assert "not on the list" in result.message


def test_whose_the_key_is_is_asked_where_it_may_tell(door: Door):
    door.answer("GET", "/v3/scopes", json={"scopes": ["mail.send", "user.username.read"]})
    door.answer("GET", "/v3/user/username", json={"username": "acme", "user_id": 7})
    seen = prove(PROVIDER, "api_key", context(PROVIDER))
    assert (seen.external_id, seen.account_id) == ("acme", "7")


def test_a_key_that_may_only_send_mail_is_not_asked(door: Door):
    door.answer("GET", "/v3/scopes", json={"scopes": ["mail.send"]})
    seen = prove(PROVIDER, "api_key", context(PROVIDER))
    assert (seen.account_id, len(door.requests)) == ("", 1)
