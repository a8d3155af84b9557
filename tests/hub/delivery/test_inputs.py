"""An event becomes an action's input, or every reason why not is told."""

from decimal import Decimal

import pytest
from django.utils import timezone
from pydantic import BaseModel

from hub.delivery.inputs import InputError, build_input
from hub.delivery.sources import Envelope
from hub.lib.ids import uuid7
from integrations.base.provider import Action
from integrations.base.results import Result


class Invoice(BaseModel):
    amount: Decimal
    email: str
    lines: list[dict[str, int]] = []


ACTION = Action("demo.invoice", "Send invoice", Invoice, lambda ctx, data: Result())


def envelope(data):
    return Envelope(uuid7(), "order.paid", "A-1", "shop", timezone.now(), data)


def test_rules_make_the_input():
    rules = [{"source": "data.total", "target": "amount"}, {"source": "subject", "target": "email"}]
    assert build_input(ACTION, rules, envelope({"total": "12.50"})) == Invoice(amount="12.50", email="A-1")


def test_without_rules_the_data_is_the_input():
    data = {"amount": 5, "email": "ann@example.com"}
    for rules in (None, []):
        assert build_input(ACTION, rules, envelope(data)) == Invoice(**data)


def test_an_action_may_take_the_whole_event():
    class Told(BaseModel):
        type: str
        subject: str
        data: list[int]

    action = Action("demo.tell", "Tell", Told, lambda ctx, data: Result(), whole_event=True)
    assert build_input(action, None, envelope([1])) == Told(type="order.paid", subject="A-1", data=[1])


def test_data_that_is_no_object_needs_a_mapping():
    with pytest.raises(InputError, match="not an object") as caught:
        build_input(ACTION, None, envelope([1]))
    assert "mapping" in caught.value.hint


def test_every_field_that_does_not_fit_is_told_with_its_rule():
    rules = [
        {"source": "data.total", "target": "amount"},
        {"source": "data.lines", "target": "lines"},
    ]
    with pytest.raises(InputError) as caught:
        build_input(ACTION, rules, envelope({"total": "much", "lines": [{"n": "x"}]}))
    told = {problem.field: problem for problem in caught.value.problems}
    assert set(told) == {"amount", "email", "lines.0.n"}
    assert told["amount"].message.startswith("Field amount filled by rule 1: ")
    assert "got “much”" in told["amount"].message
    assert told["lines.0.n"].rule == 2
    assert told["email"].message == "Field email: is needed, but the mapping gives nothing."
    error = caught.value.as_permanent()
    assert error.kind == "rejected"
    assert set(error.fields) == set(told)
    assert "Send invoice" in error.hint


def test_problems_of_the_mapping_keep_their_rule():
    rules = [{"source": "data.total", "target": "amount", "transforms": [{"name": "number"}]}]
    with pytest.raises(InputError) as caught:
        build_input(ACTION, rules, envelope({"total": "much"}))
    assert [(problem.rule, problem.field) for problem in caught.value.problems] == [(1, "amount")]
