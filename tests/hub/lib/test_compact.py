"""JSON as it is sent."""

import json
from typing import Any

import pytest

from hub.lib.compact import compact


@pytest.mark.parametrize(
    "value",
    [{"b": 1, "a": [None, True, 1.5, "ä€😀"]}, 2**70, {"big": 10**30}, {1: "a key that is no text"}, "", []],
)
def test_what_is_written_reads_the_same(value: Any) -> None:
    expected = {str(key): inner for key, inner in value.items()} if isinstance(value, dict) else value
    assert json.loads(compact(value)) == expected


def test_it_is_compact_and_in_order() -> None:
    assert compact({"b": "é", "a": [1, 2]}) == '{"b":"é","a":[1,2]}'.encode()


def test_what_is_no_json_raises() -> None:
    with pytest.raises(TypeError):
        compact({"x": object()})
