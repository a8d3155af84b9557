"""Fields of an action in words, and targets to choose from."""

from typing import Literal

from pydantic import BaseModel, Field

from hub.mapping.actions import action_label, find_action, target_choices
from hub.mapping.engine import rule_values
from hub.mapping.fields import target_fields
from integrations.base.capabilities import CAPABILITIES


class Line(BaseModel):
    sku: str
    parts: list["Line"] = []


class Order(BaseModel):
    number: int = Field(description="Its number.")
    from_: str = Field("", alias="from")
    level: Literal["", "high", "low"] = "low"
    lines: list[Line] | None = None
    notes: dict[str, str] = {}
    express: bool | None = None


def test_fields_are_told_with_type_need_and_help() -> None:
    told = {entry["name"]: entry for entry in target_fields(Order)}
    assert told["number"] | {"label": ""} == {
        "name": "number",
        "label": "",
        "help": "Its number.",
        "type": "whole number",
        "required": True,
        "depth": 0,
    }
    assert told["from"]["type"] == "text"
    assert told["level"]["type"] == "one of high, low"
    assert told["notes"]["type"] == "values by name"
    assert told["express"]["type"] == "true or false"


def test_parts_of_objects_follow_them_and_end_where_they_repeat() -> None:
    names = [entry["name"] for entry in target_fields(Order)]
    assert names[names.index("lines") + 1 : names.index("notes")] == ["lines.0.sku", "lines.0.parts"]


def test_a_capability_stands_for_every_provider_that_has_it() -> None:
    for name, model in CAPABILITIES.items():
        action = find_action("", name)
        if action is not None:
            assert action.input is model
    assert find_action("", "no.such") is None
    assert find_action("nobody", "email.send") is None
    assert action_label("nobody", "email.send") == "email.send"
    (_, shared), *_ = target_choices()
    assert ":email.send" in dict(shared)


def test_what_each_rule_makes_is_shown_where_it_makes_something() -> None:
    rules = [
        {"source": "data.email", "target": "email", "transforms": [{"name": "upper"}]},
        {"source": "data.total", "target": "total", "transforms": [{"name": "number"}]},
        {"source": "data.missing", "target": "phone"},
    ]
    event = {"data": {"email": "ann", "total": "no number"}}
    assert rule_values(rules, event) == {1: "“ANN”", 3: "nothing"}
