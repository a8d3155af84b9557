"""Reads bodies: strict JSON of bounded size and depth, held against a declared form."""

import json
import re
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request

from hub.api.problems import FieldProblem
from hub.config.document import Entry, field_mistake

#: Levels of objects and lists inside one another.
MAX_DEPTH = 64
#: Mistakes that one answer names: a body may hold more than anybody reads.
MOST_TOLD = 50
JSON_KINDS = ("", "application/json", "application/merge-patch+json")
#: What no text of the database can hold.
_NUL = re.compile(rb"\\u0000|\x00")
Form = TypeVar("Form", bound=Entry)


def require_json(request: Request) -> None:
    """Raise UnsupportedMediaType where the body says that it is something else than JSON."""
    kind = request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind not in JSON_KINDS:
        raise UnsupportedMediaType(kind, f"Send application/json, not {kind!r}.")


def parse_json(raw: bytes) -> Any:
    """Return what a body holds; raise ParseError, or FieldProblem for what the hub cannot keep."""
    if not raw.strip():
        raise ParseError("The body is empty; send JSON.")
    try:
        data = orjson.loads(raw)
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    if _too_deep(data, MAX_DEPTH):
        raise ParseError(f"The body is nested too deep: {MAX_DEPTH} levels are taken.")
    if _NUL.search(raw) and (where := _with_nul(data)):
        raise FieldProblem([(where, f"'{where}' holds the character NUL, which cannot be kept.")])
    return data


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the object that a body holds; raise ParseError or FieldProblem."""
    data = parse_json(raw)
    if not isinstance(data, dict):
        raise FieldProblem([("", "The body is a JSON object.")])
    return data


def held_against(form: type[Form], data: Any) -> Form:
    """Return ``data`` as ``form``; raise FieldProblem with a sentence for each field.

    Strict: ``"5"`` is no number, and ``1`` is no text. A form that hides its input is not quoted.
    """
    try:
        return form.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        hidden = bool(form.model_config.get("hide_input_in_errors"))
        entries = error.errors(include_url=False, include_input=not hidden)[:MOST_TOLD]
        found = [field_mistake(entry) for entry in entries]
        raise FieldProblem([(one.place, _sentence(one.place, one.message)) for one in found]) from None


def _sentence(place: str, message: str) -> str:
    return f"'{place}': {message}." if place else f"{message[:1].upper()}{message[1:]}."


def _too_deep(data: Any, levels: int) -> bool:
    inner = [data]
    while inner and levels >= 0:
        levels -= 1
        inner = [
            below
            for each in inner
            for below in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return bool(inner)


def _with_nul(data: Any, place: str = "") -> str:
    if isinstance(data, str):
        return (place or "the body") if "\x00" in data else ""
    if isinstance(data, list):
        return next(filter(None, (_with_nul(each, f"{place}[{at}]") for at, each in enumerate(data))), "")
    if not isinstance(data, dict):
        return ""
    for name, value in data.items():
        if "\x00" in name:
            return place or "a name"
        if found := _with_nul(value, f"{place}.{name}".removeprefix(".")):
            return found
    return ""
