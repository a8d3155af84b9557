"""Answers are the JSON that Django REST framework would write, written sooner."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from rest_framework import renderers

from hub.api.rendering import JSONRenderer
from hub.delivery.models import State

MOMENT = datetime(2026, 1, 31, 12, 0, 0, 120, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "ü “quoted” <b>",
        {"a": [1, 2.5, True, None], "b": {"c": ""}},
        MOMENT,
        MOMENT.replace(microsecond=0),
        MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30))),
        MOMENT.date(),
        UUID(int=7),
        State.FAILED,
        SafeString("<b>"),
        Decimal("12.50"),
        gettext_lazy("Yes"),
        timedelta(seconds=90),
        10**30,
        {1: "a key that is no text"},
    ],
)
def test_writes_what_the_framework_writes(value: Any) -> None:
    for data in (value, {"value": value}, [value, value]):
        assert JSONRenderer().render(data) == renderers.JSONRenderer().render(data)


def test_who_asks_for_lines_gets_them() -> None:
    found = JSONRenderer().render({"a": 1}, "application/json; indent=2")
    assert found == b'{\n  "a": 1\n}'


def test_what_cannot_be_written_is_an_error() -> None:
    with pytest.raises(TypeError):
        JSONRenderer().render({"value": object()})
