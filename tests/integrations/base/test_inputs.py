"""What does not fit a field is said in words, whatever the kind of the mistake."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from integrations.base.errors import Rejected
from integrations.base.inputs import read_input


class Order(BaseModel):
    """One field of each kind."""

    code: Annotated[str, Field(min_length=2, max_length=4, pattern="^[A-Z]+$")] = "AB"
    lines: Annotated[list[str], Field(min_length=2, max_length=3)] = ["a", "b"]
    count: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    paid: bool = False


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("code", "A", "needs at least 2 characters"),
        ("code", "ABCDE", "may have 4 characters at the most"),
        ("code", "a b", "does not fit the pattern ^[A-Z]+$"),
        ("lines", ["a"], "needs at least 2 entries"),
        ("lines", list("abcd"), "may have 3 entries at the most"),
        ("count", 0, "must be 1 or more"),
        ("count", 10, "must be 9 or less"),
        ("count", "many", "must be a whole number"),
        ("share", 0, "must be more than 0.0"),
        ("share", 1, "must be less than 1.0"),
        ("paid", {}, "must be true or false"),
    ],
)
def test_every_kind_of_mistake_has_a_sentence(field: str, value: Any, said: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_input(Order, {field: value})
    assert refused.value.fields == {field: said}
