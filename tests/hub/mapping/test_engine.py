"""Rules from event to input: results, and problems that name rule, source, value and expectation."""

from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from hub.mapping.engine import MappingError, map_event, validate_rules
from hub.mapping.transforms import TRANSFORMS

EVENT = {
    "id": "0190",
    "type": "order.paid",
    "data": {
        "id": "A-1",
        "total": "12.50",
        "email": "Ann@Example.com",
        "tags": ["new", "vip"],
        "address": {"city": "Ghent"},
    },
}


def rule(source="", target="", *transforms, required=False, **extra):
    declared = [{"name": name} if isinstance(name, str) else name for name in transforms]
    return {"source": source, "transforms": declared, "target": target, "required": required, **extra}


def test_values_travel_through_transforms_to_nested_targets():
    made = map_event(
        [
            rule("data.email", "properties.email", "trim", "lower"),
            rule("data.total", "lines.0.amount", {"name": "to_minor_units", "currency": "EUR"}),
            rule("data.id", "lines.1.sku"),
            rule("data.tags", "tags", {"name": "join", "separator": ";"}),
            rule("", "text", {"name": "template", "text": "Order {data.id}"}),
            rule("data.id", 'properties."order.id"'),
            rule("data.id", 'properties."7"'),
        ],
        EVENT,
    )
    assert made == {
        "properties": {"email": "ann@example.com", "order.id": "A-1", "7": "A-1"},
        "lines": [{"amount": 1250}, {"sku": "A-1"}],
        "tags": "new;vip",
        "text": "Order A-1",
    }


def test_a_missing_source_leaves_its_field_out():
    made = map_event([rule("data.phone", "phone", "upper"), rule("data.phone", "items.0.phone")], EVENT)
    assert made == {}


def test_positions_of_a_list_that_were_left_out_close_up():
    made = map_event([rule("data.nothing", "items.0.x"), rule("data.id", "items.1.x")], EVENT)
    assert made == {"items": [{"x": "A-1"}]}


def test_a_later_rule_replaces_an_earlier_one():
    assert map_event([rule("data.id", "x"), rule("data.total", "x")], EVENT) == {"x": "12.50"}


def test_parts_can_be_added_to_a_copied_object_without_touching_the_event():
    made = map_event(
        [
            rule("data.address", "address"),
            rule("data.id", "address.note"),
            rule("data.tags", "t"),
            rule("data.id", "t.2"),
        ],
        EVENT,
    )
    assert made == {"address": {"city": "Ghent", "note": "A-1"}, "t": ["new", "vip", "A-1"]}
    assert EVENT["data"]["address"] == {"city": "Ghent"}


def test_all_problems_are_told_with_rule_source_value_and_expectation():
    with pytest.raises(MappingError) as caught:
        map_event(
            [
                rule("data.email", "amount", "number"),
                rule("data.id", "ok"),
                rule("data.nothing", "need", required=True),
                rule("data.id", "when", "date"),
                rule("data.id", "ok.inner"),
                rule("length(data.nothing)", "n"),
            ],
            EVENT,
        )
    problems = caught.value.problems
    assert [problem.rule for problem in problems] == [1, 3, 4, 5, 6]
    assert str(problems[0]) == (
        "Rule 1 (data.email → amount): got “Ann@Example.com”, expected a number such as 1234.50."
    )
    assert "required" in problems[1].expectation
    assert problems[2].value == "“A-1”"
    assert "ok to hold parts" in problems[3].expectation
    assert "length()" in problems[4].expectation


def test_long_values_are_shortened_in_messages():
    with pytest.raises(MappingError) as caught:
        map_event([rule("data", "x", "number")], {"data": "y" * 5000})
    assert len(str(caught.value)) < 300


def test_text_cannot_grow_without_bound():
    grow = {"name": "replace", "find": "x", "replacement": "x" * 500}
    with pytest.raises(MappingError, match="at most 1048576 characters"):
        map_event([rule("data", "x", grow, grow, grow, grow)], {"data": "x"})


@pytest.mark.parametrize(
    ("rules", "number", "expectation"),
    [
        ("x", 0, "a list of rules"),
        (["x"], 1, "a rule with source and target"),
        ([rule("a[", "t")], 1, "JMESPath"),
        ([rule("", "t")], 1, "a source"),
        ([rule("a", "")], 1, "a valid target"),
        ([rule("a", "a..b")], 1, "empty part"),
        ([rule("a", "0.b")], 1, "begins with a number"),
        ([rule("a", "b.1000")], 1, "no position"),
        ([rule("a", "b", "nonsense")], 1, "there is no transform 'nonsense'"),
        ([rule("a", "b", sauce="x")], 1, "only required, source, target, transforms"),
        ([rule("a", "b", required="yes")], 1, "true or false"),
        ([rule("a", "b"), {"source": 5, "target": "c"}], 2, "JMESPath"),
        ([rule("a", "b")] * 301, 0, "at most 300"),
    ],
)
def test_wrong_rules_are_found_before_any_event(rules, number, expectation):
    problems = validate_rules(rules)
    assert problems[0].rule == number
    assert expectation in str(problems[0])
    with pytest.raises(MappingError):
        map_event(rules, EVENT)


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    sku: str
    price: Decimal | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    email: str


class Input(BaseModel):
    amount: int
    to: list[str] = []
    lines: list[Line] | None = None
    contact: Open | None = None
    properties: dict[str, Any] = {}
    sender: str = Field("", alias="from")
    colour: Colour | None = None


def test_targets_are_checked_against_the_action_s_input():
    good = [
        "amount",
        "to.0",
        "lines.0.sku",
        "contact.email",
        "contact.own",
        "properties.x.y",
        "from",
        "colour",
    ]
    assert validate_rules([rule("a", target) for target in good], Input) == []


@pytest.mark.parametrize(
    ("target", "expectation"),
    [
        ("amont", "a field of the action: "),
        ("amount.x", "ends before x"),
        ("to.x", "a position in the list"),
        ("lines.0.price.x", "ends before x"),
        ("lines.0.colour", "a field of the action: sku, price"),
    ],
)
def test_targets_the_action_does_not_have_are_named(target, expectation):
    problems = validate_rules([rule("a", "amount"), rule("a", "lines.0.sku"), rule("a", target)], Input)
    assert [problem.rule for problem in problems] == [3]
    assert expectation in problems[0].expectation


def test_required_fields_that_no_rule_fills_are_named():
    problems = validate_rules([rule("a", "lines.0.price"), rule("a", "contact.phone")], Input)
    assert [(problem.rule, problem.target) for problem in problems] == [(0, "amount"), (0, "contact.email")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
OPTIONS = {
    "truncate": {"length": 3},
    "replace": {"find": "a"},
    "template": {"text": "{value} {data.a}"},
    "multiply": {"by": "1.1"},
    "add": {"number": 1},
    "to_minor_units": {"currency_source": "data.a"},
    "from_minor_units": {"currency": "JPY"},
    "default": {"value": [1]},
    "lookup": {"table": {"a": 1}},
    "date": {"to_zone": "Asia/Tokyo"},
}
DECLARED = st.sampled_from(sorted(TRANSFORMS)).map(lambda name: {"name": name, **OPTIONS.get(name, {})})
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["data", "data.a", "data[0]", "data.*", "length(data)", "keys(data)"]),
            "transforms": st.lists(DECLARED, max_size=4),
            "target": st.sampled_from(["a", "a.b", "b.0", "b.1.c", "b.x", 'c."0"']),
            "required": st.booleans(),
        }
    ),
    max_size=6,
)


@given(RULES, JSON | st.dictionaries(st.just("a"), JSON))
def test_any_event_is_mapped_or_every_problem_names_its_rule(rules, data):
    assert validate_rules(rules) == []
    made, problems = None, []
    try:
        made = map_event(rules, {"id": "1", "data": data})
    except MappingError as error:
        problems = error.problems
    assert isinstance(made, dict) or problems
    for problem in problems:
        assert 1 <= problem.rule <= len(rules)
        assert problem.source == rules[problem.rule - 1]["source"]
        assert problem.expectation
        assert len(problem.value) < 100


@given(JSON)
def test_any_rules_are_checked_without_crashing(rules):
    for problem in validate_rules(rules, Input):
        assert str(problem)
