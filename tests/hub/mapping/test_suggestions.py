"""What is suggested for fields that nothing fills: by name, type and the look of the value."""

from typing import Any

import pytest

from hub.mapping.actions import find_action
from hub.mapping.changes import Output, outputs
from hub.mapping.fields import target_fields
from hub.mapping.suggestions import suggest

PATHS: list[tuple[str, Any]] = [
    ("id", "0190f0c0"),
    ("subject", "order-1"),
    ("data.customer", {"email": "ann@example.com"}),
    ("data.customer.email", "ann@example.com"),
    ("data.customer.firstName", "Ann"),
    ("data.customer.family_name", "Lee"),
    ("data.total", 12.5),
    ("data.paid", True),
    ("data.tags", ["a"]),
    ("data.created_at", "2026-01-31T12:00:00Z"),
]


def field(name: str, kind: str = "text", text: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "label": name, "help": text, "required": True, "depth": 0}


@pytest.mark.parametrize(
    ("wanted", "source"),
    [
        (field("email"), "data.customer.email"),
        (field("to", "text", "The recipient's e-mail address."), "data.customer.email"),
        (field("firstname"), "data.customer.firstName"),
        (field("last_name"), "data.customer.family_name"),
        (field("amount", "number"), "data.total"),
        (field("createdAt", "date and time"), "data.created_at"),
        (field("tags", "list of text"), "data.tags"),
        (field("customer", "object"), "data.customer"),
    ],
)
def test_what_resembles_a_field_is_suggested(wanted: dict[str, Any], source: str) -> None:
    assert [found.source for found in suggest([wanted], PATHS, [])] == [source]


@pytest.mark.parametrize(
    "wanted", [field("latitude", "number"), field("customer", "number"), field("tags", "number")]
)
def test_what_resembles_nothing_or_has_another_type_is_left_alone(wanted: dict[str, Any]) -> None:
    assert suggest([wanted], PATHS, []) == []


def test_filled_fields_get_no_suggestion() -> None:
    assert suggest([field("email"), field("customer", "object")], PATHS, ["email", "customer.name"]) == []
    assert suggest([field("email")], [], []) == []


def test_the_fields_of_a_real_action_are_understood() -> None:
    action = find_action("hubspot", "contact.upsert")
    assert action is not None
    found = {each.target: each.source for each in suggest(target_fields(action.input), PATHS, [])}
    assert found["email"] == "data.customer.email"


def test_outputs_tell_new_changed_and_gone_fields() -> None:
    before = {"a": 1, "b": {"c": "x"}, "d": ["y"]}
    now = {"a": 1, "b": {"c": "z"}, "e": []}
    assert outputs(now, before) == [
        Output("a", "1"),
        Output("b.c", "“z”", "changed", "“x”"),
        Output("e", "[]", "new"),
        Output("d.0", "", "gone", "“y”"),
    ]
    assert outputs(now, None)[1] == Output("b.c", "“z”")
    assert outputs(None, None) == []
