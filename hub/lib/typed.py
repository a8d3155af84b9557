"""JSON that people type or paste: read it, or say in plain words which line is wrong and what helps."""

import json
import re
from itertools import pairwise
from typing import Any, NoReturn

from django import forms

#: Of what stands at the wrong place, so much is shown.
SHOWN = 24
_WORD = re.compile(r"[\w$-]+")
_CURLY_QUOTES = "“”„‟‘’‚«»"
#: What other languages write for JSON's own words.
_FOREIGN = {
    "True": "true",
    "False": "false",
    "None": "null",
    "undefined": "null",
    "NaN": "null",
    "Infinity": "null",
}


class TypedError(ValueError):
    """What was typed is no JSON; the message is a sentence without its subject: ``line 3, at “…”: …``."""


def read_typed(text: str) -> Any:
    """Return what the JSON says; raise TypedError with a sentence for somebody who does not program."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise TypedError(_sentence(text, error)) from None
    except RecursionError:
        raise TypedError("its brackets are nested too deeply.") from None


class TypedJSONField(forms.JSONField):
    """A form's JSON, whose mistakes are told in words."""

    def to_python(self, value: Any) -> Any:
        """Return what the JSON says; what cannot be read is told at its line."""
        if isinstance(value, str) and value not in self.empty_values and not self.disabled:
            try:
                read_typed(value)
            except TypedError as error:
                raise forms.ValidationError(f"This is no JSON yet: {error}", code="invalid") from None
        return super().to_python(value)


def _refuse(word: str) -> NoReturn:
    raise TypedError(f"JSON has no number {word}. Write null, or a number.")


def _sentence(text: str, error: json.JSONDecodeError) -> str:
    place = error.pos
    rest = text[place:].split("\n")[0].strip()
    if not text[place:].strip():
        if missing := _unclosed(text):
            return f"it ends too early: {missing} is missing at the end. Was all of it copied?"
        return "it ends too early. Was all of it copied?"
    at = f", at “{rest[:SHOWN]}{'…' if len(rest) > SHOWN else ''}”" if rest else ""
    return f"line {error.lineno}{at}: {_advice(text, place, error.msg)}"


#: What Python's parser says at the beginning, and what to do about it.
_BY_MESSAGE = {
    "Unterminated string": 'this text has no closing quote ("). Add it where the text ends.',
    "Invalid control character": (
        'a text may not go over several lines. Write \\n where a new line begins, or close its quote (").'
    ),
    "Invalid \\": "a backslash does not stand alone in JSON. Write two of them (\\\\).",
}


def _advice(text: str, place: int, message: str) -> str:
    """Return what to do about the character at ``place``."""
    here, before = text[place], text[:place].rstrip()[-1:]
    known = next((words for start, words in _BY_MESSAGE.items() if message.startswith(start)), "")
    if known:
        return known
    if message.startswith("Extra data"):
        return _extra(text[:place], here)
    if here in _CURLY_QUOTES:
        return 'these quotes are curly. Write straight ones (").'
    if here == "'":
        return 'text stands in double quotes (") here, not in single ones.'
    if before == "," and here in "}],":
        return "a comma too many stands before it. Take it away."
    return _expected(text, place, message)


def _expected(text: str, place: int, message: str) -> str:
    """Return what should stand at ``place`` instead."""
    word = found[0] if (found := _WORD.match(text, place)) else ""
    if "delimiter" in message:
        return f"a {'colon (:)' if ':' in message else 'comma (,)'} is missing before it."
    if word in _FOREIGN:
        return f"write {_FOREIGN[word]} instead of {word}."
    if "property name" in message:
        return 'the name of a field is expected, in double quotes, such as "email".'
    if word and not word[0].isdigit():
        return 'text stands in double quotes ("). Put them around it.'
    return 'a value is missing before it: a text in double quotes ("), a number, true, false or null.'


def _extra(before: str, here: str) -> str:
    if here in "}]":
        return "this bracket closes nothing. Take it away, or add the one that opens."
    if before.rstrip()[-1:] in "}]" and here in "{[":
        return "a second one begins here. Paste one only."
    if before.lstrip()[:1] not in "{[":
        return "data begins with { and ends with }. Put them around all of it."
    return "what stands here comes after the end. Take it away."


def _unclosed(text: str) -> str:
    """Return the brackets that are open at the end, as they have to be closed."""
    open_now: list[str] = []
    inside = False
    for former, sign in pairwise(f" {text}"):
        if sign == '"' and former != "\\":
            inside = not inside
        elif not inside and sign in "{[":
            open_now.append("}" if sign == "{" else "]")
        elif not inside and sign in "}]" and open_now:
            open_now.pop()
    return " ".join(reversed(open_now))
