"""Which routes want an event."""

import pytest

from hub.delivery.enqueue import Target
from hub.events.routing import RouteView, decide, filter_problem, matches, pattern_problem
from hub.lib.ids import uuid7

EVENT = {"type": "order.paid", "subject": "A-1", "data": {"total": 50, "tags": []}}


@pytest.mark.parametrize(
    ("pattern", "event_type", "taken"),
    [
        ("*", "anything.at.all", True),
        ("order.paid", "order.paid", True),
        ("order.paid", "order.paid.late", False),
        ("order.*", "order.paid", True),
        ("order.*", "order.line.added", True),
        ("order.*", "order", False),
        ("order.*", "orders.paid", False),
        ("Order.*", "order.paid", False),
        ("*.paid", "order.paid", True),
        ("*.paid", "order.paid.late", False),
        ("order.*.added", "order.line.added", True),
        ("order.*.added", "order.added", False),
        ("a*a", "a", False),
        ("*a*b*c*", "xxaxxbxxcxx", True),
        ("*a*b*c*", "xxaxxcxxbxx", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern, event_type, taken):
    assert matches(pattern, event_type) is taken


def route(name="r", **values):
    defaults = {
        "enabled": True, "type_pattern": "order.*", "filter": "", "priority": 0, "delay": 0,
        "targets": (Target(uuid7(), "http.send"),),
    }  # fmt: skip
    return RouteView(uuid7(), name, **(defaults | values))


@pytest.mark.parametrize(
    ("values", "outcome", "reason"),
    [
        ({}, "queued", ""),
        ({"filter": "data.total > `10`"}, "queued", ""),
        ({"filter": "data.total > `100`"}, "filtered", "data.total > `100`"),
        ({"filter": "data.tags"}, "filtered", "is not true"),
        ({"enabled": False, "filter": "["}, "disabled", "switched off"),
        ({"filter": "data.["}, "error", "could not be applied"),
        ({"filter": "length(data.total)"}, "error", "length()"),
    ],
)
def test_outcomes_say_why(values, outcome, reason):
    (decision,) = decide([route(**values)], EVENT)
    assert decision.outcome == outcome
    assert reason in decision.reason
    assert decision.as_json()["route"] == str(decision.route.id)


def test_routes_of_other_types_are_not_mentioned():
    assert decide([route(type_pattern="invoice.*")], EVENT) == []


def test_a_filter_that_fails_stops_no_other_route():
    outcomes = [decision.outcome for decision in decide([route(filter="a["), route()], EVENT)]
    assert outcomes == ["error", "queued"]


def test_what_an_admin_enters_is_checked():
    assert pattern_problem("order.*") == pattern_problem("*") == pattern_problem("com.x/y:z") == ""
    assert "order paid" in pattern_problem("order paid")
    assert pattern_problem("")
    assert filter_problem("") == filter_problem("data.total > `10`") == ""
    assert "JMESPath" in filter_problem("data[")
