"""The form of an event that comes in."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.events.drafts import Draft, check_drafts

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def deep(levels):
    data: list = []
    for _ in range(levels - 1):
        data = [data]
    return data


@pytest.mark.parametrize(
    "draft",
    [
        Draft("order.paid"),
        Draft("com.github.pull_request.opened/v1", {"a": [1, 2.5, None, True, "ü", 10**30]}),
        Draft("x", deep(64), "s" * 200, "s" * 500, NOW, "k" * 255, NOW + timedelta(days=366)),
        Draft("x", "y" * (1024 * 1024 - 2)),
        Draft("x", "\\u0000"),
    ],
)
def test_good_drafts_pass(draft):
    assert check_drafts([draft], NOW) == []


@pytest.mark.parametrize(
    ("draft", "field", "message"),
    [
        (Draft(""), "type", "is needed"),
        (Draft("order paid"), "type", "'order paid' has not"),
        (Draft("order."), "type", "joined by dots"),
        (Draft("order.*"), "type", "joined by dots"),
        (Draft("x" * 201), "type", "200 characters long, not 201"),
        (Draft(5), "type", "must be text, not int"),
        (Draft("x", subject="s" * 201), "subject", "200 characters long, not 201"),
        (Draft("x", subject="a\x00"), "subject", "control characters"),
        (Draft("x", source="s" * 501), "source", "500"),
        (Draft("x", idempotency_key=""), "idempotency_key", "must not be empty"),
        (Draft("x", idempotency_key="k" * 256), "idempotency_key", "255"),
        (Draft("x", time=datetime(2026, 1, 1)), "time", "with its offset"),
        (Draft("x", time=datetime(1, 1, 1, tzinfo=UTC)), "time", "1900"),
        (Draft("x", deliver_at=NOW + timedelta(days=367)), "deliver_at", "366 days"),
        (Draft("x", "y" * (1024 * 1024 - 1)), "data", "1048576 bytes as JSON, not 1048577"),
        (Draft("x", deep(65)), "data" + "[0]" * 64, "64 levels"),
        (Draft("x", {"a": [{"b": float("nan")}]}), "data.a[0].b", "NaN"),
        (Draft("x", {"a": "\x00"}), "data.a", "NUL"),
        (Draft("x", {"a": "\ud800"}), "data.a", "surrogate"),
        (Draft("x", {"a\x00": 1}), "data.a\x00", "NUL"),
        (Draft("x", {1: 1}), "data.1", "names in an object are text"),
        (Draft("x", {"a": NOW}), "data.a", "holds a datetime"),
    ],
)
def test_wrong_drafts_are_told_by_field(draft, field, message):
    (problem,) = check_drafts([Draft("fine"), draft], NOW)
    assert (problem.index, problem.field) == (1, field)
    assert message in problem.message


def test_all_problems_of_a_batch_are_told():
    problems = check_drafts([Draft("", subject="x" * 300), Draft("ok"), Draft("bad type")], NOW)
    assert [(problem.index, problem.field) for problem in problems] == [
        (0, "type"),
        (0, "subject"),
        (2, "type"),
    ]


@given(
    st.recursive(
        st.none() | st.text() | st.floats() | st.integers(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_data_is_taken_or_refused_with_a_path(data):
    for problem in check_drafts([Draft("x", data)], NOW):
        assert problem.field.startswith("data")
