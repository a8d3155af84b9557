"""What is wrong with JSON that somebody typed, in words."""

import json

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.typed import TypedError, TypedJSONField, read_typed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{oops", "line 1, at “oops”: the name of a field is expected, in double quotes"),
        ('{"a": 1,\n}', "line 2, at “}”: a comma too many stands before it. Take it away."),
        ('{"a": [1,\n2,]}', "line 2, at “]}”: a comma too many"),
        ('{"a": 1,, "b": 2}', "a comma too many"),
        ("{'a': 1}", "at “'a': 1}”: text stands in double quotes"),
        ("{\"a\": 'b'}", "at “'b'}”: text stands in double quotes"),
        ('{"email": "a"\n "name": "x"}', 'line 2, at “"name": "x"}”: a comma (,) is missing before it.'),
        ('{"a" 1}', "a colon (:) is missing before it."),
        ('{"data": {"email": "a"', "it ends too early: } } is missing at the end. Was all of it copied?"),
        ('["{\\"", 1', "it ends too early: ] is missing at the end."),
        ('{"a": 1, ', "it ends too early: } is missing"),
        ('{"a":', "it ends too early: } is missing"),
        ("", "it ends too early. Was all of it copied?"),
        ('{"a": “b”}', "line 1, at ““b”}”: these quotes are curly."),
        ('{"a": hello}', "at “hello}”: text stands in double quotes"),
        ('{"a": True}', "write true instead of True."),
        ('{"a": None}', "write null instead of None."),
        ('{"a": }', "a value is missing before it"),
        ('{"a": NaN}', "JSON has no number NaN."),
        ('{"a": "b\nc"}', "line 1: a text may not go over several lines."),
        ('{"a": "b}', 'line 1, at “"b}”: this text has no closing quote'),
        ('{"a": "C:\\temp\\x"}', "a backslash does not stand alone"),
        ('{"a": 1}\n{"a": 2}', 'line 2, at “{"a": 2}”: a second one begins here. Paste one only.'),
        ('{"a": 1}}', "this bracket closes nothing."),
        ('"email": "a"', "Put them around all of it."),
        ('{"a": 1} yes', "what stands here comes after the end."),
        ("[" * 100_000, "its brackets are nested too deeply."),
    ],
)
def test_the_line_and_what_helps_are_told(text: str, words: str) -> None:
    with pytest.raises(TypedError) as told:
        read_typed(text)
    assert words in str(told.value)
    assert len(str(told.value)) < 200


def test_json_is_read() -> None:
    assert read_typed('{"a": [1, "ü", null]}') == {"a": [1, "ü", None]}


@given(st.text(alphabet="{}[]\",:\\ \nab1“'", max_size=30))
def test_whatever_is_typed_is_read_or_told(text: str) -> None:
    try:
        known = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(TypedError, match=r"[.?]$"):
            read_typed(text)
    else:
        assert read_typed(text) == known


def test_a_forms_field_tells_the_same() -> None:
    field = TypedJSONField(required=False)
    assert field.clean('{"a": 1}') == {"a": 1}
    assert field.clean("") is None
    with pytest.raises(ValidationError) as told:
        field.clean('{"a": 1\n"b": 2}')
    assert told.value.messages == [
        'This is no JSON yet: line 2, at “"b": 2}”: a comma (,) is missing before it.'
    ]
    with pytest.raises(ValidationError, match="no number NaN"):
        field.clean("[NaN]")
