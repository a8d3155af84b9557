"""JMESPath with bounds."""

import jmespath
import pytest

from hub.mapping.expressions import ExpressionError, compile_expression, is_true


def test_finds():
    assert (
        compile_expression("data.items[?price > `5`].sku | [0]").search(
            {"data": {"items": [{"sku": "a", "price": 1}, {"sku": "b", "price": 9}]}}
        )
        == "b"
    )
    assert compile_expression("data.nothing.there").search({"data": {}}) is None


@pytest.mark.parametrize(
    "text", ["a", "a.b", "a.b.c", '"a b".c', "a.list", "a.text.b", "a.list.b", "none.b", "a.number.b", "x.y"]
)
def test_a_plain_path_finds_what_jmespath_finds(text):
    data = {
        "a": {"b": {"c": [1]}, "list": [{"b": 1}], "text": "t", "number": 5},
        "a b": {"c": 0},
        "none": None,
    }
    assert compile_expression(text).search(data) == jmespath.search(text, data)


def test_a_plain_path_is_bounded_too():
    with pytest.raises(ExpressionError, match="too much work"):
        compile_expression("a.b").search({"a": {"b": [0] * 300_001}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a" * 1001, "1000 characters"),
        ("a[?", "Invalid jmespath"),
        ("eval('1')", "no function eval"),
        ("length(a, b)", "takes 1 arguments, not 2"),
        ("merge()", "at least 1"),
        ("[" * 900, "JMESPath|jmespath|nested"),
        ("(" * 900, "JMESPath|jmespath|nested"),
    ],
)
def test_wrong_expressions_are_refused_before_any_event(text, message):
    with pytest.raises(ExpressionError, match=message):
        compile_expression(text)


@pytest.mark.parametrize("text", ["length(data)", "data < 'x' && sum(data)", "&data", "keys(data)"])
def test_what_does_not_fit_the_event_says_so(text):
    with pytest.raises(ExpressionError):
        compile_expression(text).search({"data": 5})


@pytest.mark.parametrize(
    "text",
    [
        "|".join(["[@,@]"] * 120),
        "|".join(["[@,@][]"] * 100),
        "|".join(["{a:@,b:@}"] * 90),
        "|".join(["join('',[@,@])"] * 60),
        "|".join(["[@,@]"] * 100) + "|to_string(@)",
        "|".join(["map(&[@,@],[@,@])"] * 50),
    ],
)
def test_an_expression_that_doubles_its_result_is_stopped(text):
    with pytest.raises(ExpressionError, match="too much work"):
        compile_expression(text).search("xxxxxxxxxxxxxxxxxxxxxxxxx")


def test_values_that_cannot_be_compared_are_told_without_types_of_python():
    with pytest.raises(ExpressionError, match="a text with a number"):
        compile_expression("data.total > `10`").search({"data": {"total": "12"}})


def test_truth_is_jmespath_s():
    assert [is_true(value) for value in (None, False, "", [], {})] == [False] * 5
    assert [is_true(value) for value in (0, "0", True, [0], {"a": None})] == [True] * 5
