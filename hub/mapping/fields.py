"""The fields of an action's input in words, as the mapping editor lists them."""

import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

#: Levels of fields within fields that are listed.
MAX_DEPTH = 3
#: Choices of a field that are named.
_MAX_CHOICES = 8
_WORDS: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "number",
    datetime: "date and time",
    date: "date",
    Any: "anything",
}


def target_fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Describe the fields an editor offers as targets, parts of objects after the object itself.

    Each has ``name`` (dotted; ``to.0.email`` for a part of a list's first entry), ``label``, ``help``,
    ``type`` in words, ``required`` and ``depth`` (0 for the input's own fields).
    """
    return list(_describe(model, "", 0, (model,)))


def _describe(
    model: type[BaseModel], prefix: str, depth: int, within: tuple[type[BaseModel], ...]
) -> Iterator[dict[str, Any]]:
    for name, field in model.model_fields.items():
        full = f"{prefix}{field.alias or name}"
        yield {
            "name": full,
            "label": field.title or name.strip("_").replace("_", " "),
            "help": field.description or "",
            "type": _words(field.annotation),
            "required": field.is_required(),
            "depth": depth,
        }
        inner, step = _model_in(field.annotation)
        if inner is not None and depth + 1 < MAX_DEPTH and inner not in within:
            yield from _describe(inner, f"{full}{step}.", depth + 1, (*within, inner))


def _words(kind: Any) -> str:
    options = [_bare(option) for option in _options(kind)]
    words = [_word(option) for option in options if option is not types.NoneType]
    return " or ".join(dict.fromkeys(words)) or "anything"


def _word(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is Literal:
        return _choices(arguments)
    if origin in (list, tuple, set, frozenset, Sequence):
        listed = _words(arguments[0]) if arguments else "anything"
        return "list of objects" if listed == "object" else f"list of {listed}"
    if kind is dict or origin in (dict, Mapping):
        return "values by name"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choices([member.value for member in kind])
    return "object" if _is_model(kind) else "text"


def _choices(values: Sequence[Any]) -> str:
    values = [value for value in values if value != ""]
    more = ", …" if len(values) > _MAX_CHOICES else ""
    return f"one of {', '.join(map(str, values[:_MAX_CHOICES]))}{more}"


def _model_in(kind: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the object that a field holds and the step to it: ``.0`` for a list's first entry."""
    for option in map(_bare, _options(kind)):
        if _is_model(option):
            return option, ""
        arguments = get_args(option)
        if get_origin(option) in (list, tuple, Sequence) and arguments:
            inner = _bare(arguments[0])
            if _is_model(inner):
                return inner, ".0"
    return None, ""


def _options(kind: Any) -> Sequence[Any]:
    bare = _bare(kind)
    return get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
