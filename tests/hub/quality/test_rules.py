"""Whether a record keeps a rule, and the rule as a sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.quality.models import QualityRule
from hub.quality.rules import broken, comparable, pattern_problem, sentence

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def judged(data: Any, kind: str, twice: set[str] | None = None, **fields: Any) -> str:
    rule = QualityRule(field=fields.pop("field", "x"), kind=kind, **fields)
    return broken(rule, data, NOW - timedelta(days=3), NOW, twice or set())


@pytest.mark.parametrize(
    ("kind", "fields", "good", "bad", "told"),
    [
        ("required", {}, 0, "", "x is empty"),
        ("required", {}, False, None, "x is empty"),
        ("unique", {"twice": {"a"}}, "b", "a", "other records have a too"),
        ("unique", {"twice": {"7"}}, 8, 7, "other records have 7 too"),
        ("unique", {"twice": {"7"}}, "", 7, "other records have 7 too"),
        ("pattern", {"pattern": r"\d{5}"}, "01067", "0106", "it is 0106"),
        ("pattern", {"pattern": r"\d{5}"}, "", "x" * 300, "it is"),
        ("range", {"minimum": 1, "maximum": 5}, 5, 5.1, "it is 5.1"),
        ("range", {"minimum": 1}, "2", "0", "it is 0"),
        ("range", {"maximum": 1}, None, "a", "is no number"),
        ("range", {"maximum": 1}, 1, True, "is no number"),
        ("fresh", {"days": 5}, "2026-11-20", "2026-11-01", "it is of 2026-11-01"),
        ("fresh", {"days": 5}, "2026-11-20T10:00:00+02:00", "soon", "x is no date"),
    ],
)
def test_what_keeps_a_rule_and_what_breaks_it(kind: str, fields: Any, good: Any, bad: Any, told: str):
    assert judged({"x": good}, kind, **dict(fields)) == ""
    assert told in judged({"x": bad}, kind, **dict(fields)).replace('"', "").replace("“", "").replace("”", "")


def test_a_part_of_an_object_has_rules_too():
    assert judged({"a": {"b": 1}}, "required", field="a.b") == ""
    assert judged({"a": 1}, "required", field="a.b") == "a.b is empty"


def test_without_a_field_the_age_is_the_records_own():
    assert judged({}, "fresh", field="", days=4) == ""
    assert "2026-11-18" in judged({}, "fresh", field="", days=2)


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_are_compared_as_the_database_does(value: bool):
    assert comparable(value) in ("true", "false")


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|aa)*", r"([a-z]+)*@", r"((\d+)|x)+", "(a*){5}", "(a*a)*"])
def test_patterns_that_may_take_for_ever_are_refused(pattern: str):
    assert "may take for ever" in pattern_problem(pattern)


@pytest.mark.parametrize("pattern", [r"\d{5}", r"[\w.]+@[\w-]+(\.[\w-]+)+", "(DE|FR)-[0-9]+", "a*b*"])
def test_usual_patterns_are_taken(pattern: str):
    assert pattern_problem(pattern) == ""


def test_what_is_no_pattern_is_told():
    assert "no regular expression" in pattern_problem("(a")


def test_rules_are_sentences():
    made = [
        QualityRule(field="email", kind="required"),
        QualityRule(field="age", kind="range", minimum=18),
        QualityRule(field="age", kind="range", minimum=18, maximum=99.5),
        QualityRule(kind="fresh", days=1),
    ]
    assert [sentence(rule) for rule in made] == [
        "email must be filled in",
        "age must be 18 at least",
        "age must be between 18 and 99.5",
        "The record must not be older than 1 day",
    ]
