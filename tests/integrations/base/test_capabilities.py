"""Capabilities' inputs: forgiving in form, strict in content, and they say what is wrong."""

from typing import Any

import pytest

from integrations.base.capabilities import CAPABILITIES, Contact, Customer, EmailMessage, IncidentTrigger
from integrations.base.errors import Rejected
from integrations.base.inputs import read_input


def problems(capability: str, data: Any) -> dict[str, str]:
    with pytest.raises(Rejected) as caught:
        read_input(CAPABILITIES[capability], data)
    return caught.value.fields


def message(**changes: Any) -> dict[str, Any]:
    return {"to": "ada@example.com", "subject": "Hello", "text": "Hi"} | changes


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        ("ada@example.com", ["ada@example.com"]),
        ("Ada <ada@example.com>, bob@example.com", ['"Ada" <ada@example.com>', "bob@example.com"]),
        ({"email": "ada@example.com", "name": "Ada"}, ['"Ada" <ada@example.com>']),
        (["ada@example.com", {"email": "bob@example.com"}], ["ada@example.com", "bob@example.com"]),
    ],
)
def test_recipients_come_in_many_forms(to: Any, wanted: list[str]) -> None:
    mail = read_input(EmailMessage, message(to=to))
    assert [str(address) for address in mail.to] == wanted


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"to": "ada"}, "to.0.email", "“ada” is not an e-mail address; it looks like ada@example.com"),
        ({"to": []}, "to", "must not be empty"),
        ({"to": None}, "to", "must be a list"),
        ({"text": ""}, "input", "the message is empty: give text, html or template_id"),
        ({"subject": ""}, "input", "a subject is needed, unless a template brings it"),
        ({"subject": "a\nBcc: x@example.com"}, "subject", "this must be one line, without line breaks"),
        ({"headers": {"X": "a\r\nb"}}, "headers.X", "this must be one line, without line breaks"),
        ({"colour": "red"}, "colour", "is not a field of this action; remove it, or put it under properties"),
        (
            {"attachments": [{"filename": "a", "content": "*"}]},
            "attachments.0",
            "the content of a is not base64",
        ),
    ],
)
def test_a_wrong_message_is_explained(changes: dict[str, Any], field: str, said: str) -> None:
    assert problems("email.send", message(**changes)) == {field: said}


def test_what_is_missing_is_named() -> None:
    assert problems("deal.upsert", {}) == {
        "external_key": "is needed, but the mapping gives nothing",
        "name": "is needed, but the mapping gives nothing",
    }


def test_a_template_needs_no_subject() -> None:
    assert read_input(EmailMessage, {"to": "ada@example.com", "template_id": 42}).template_id == "42"


def test_too_many_attachments_are_refused() -> None:
    big = {"filename": "a.bin", "content": "A" * (4 * 1024 * 1024)}
    assert "5 MiB" in problems("email.send", message(attachments=[big, big]))["input"]


def test_numbers_become_text_where_they_are_identifiers() -> None:
    assert read_input(Customer, {"email": "a@example.com", "external_id": 7}).external_id == "7"
    assert read_input(Contact, {"email": " a@example.com "}).email == "a@example.com"


def test_an_incident_has_defaults_and_a_closed_list() -> None:
    assert read_input(IncidentTrigger, {"summary": "Down"}).severity == "error"
    said = problems("incident.trigger", {"summary": "Down", "severity": "fatal"})
    assert said == {"severity": "must be one of 'critical', 'error', 'warning' or 'info'"}


@pytest.mark.parametrize("capability", sorted(CAPABILITIES))
def test_every_field_is_described(capability: str) -> None:
    assert all(field.description for field in CAPABILITIES[capability].model_fields.values())
