"""Where a mapped value goes: dotted targets, and the fields that an action's input has there.

A target is names and list positions joined by dots: ``customer.address.city``, ``items.0.price``.
A name that holds a dot or is a number stands in double quotes: ``properties."user.email"``.
"""

import re
from functools import lru_cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Part = str | int
MAX_TARGET = 300
MAX_POSITION = 999
_PART = re.compile(r'"([^"]+)"|([^".]+)')


@lru_cache(maxsize=4096)
def parse_target(text: str) -> tuple[Part, ...]:
    """Return the parts of a target; raise ValueError saying what is wrong with it."""
    if not text or len(text) > MAX_TARGET:
        raise ValueError(f"a target has 1 to {MAX_TARGET} characters")
    parts: list[Part] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(f"the target {text!r} has an empty part; write it like customer.address.city")
        parts.append(_part(match))
        position = match.end()
        if position == len(text):
            break
        if text[position] != ".":
            raise ValueError(f"the target {text!r} needs a dot after {match.group()}")
        position += 1
    if isinstance(parts[0], int):
        raise ValueError(f"the target {text!r} begins with a number; its first part must be a field's name")
    return tuple(parts)


def _part(match: re.Match[str]) -> Part:
    quoted, bare = match.groups()
    if quoted is not None:
        return str(quoted)
    name = bare.strip()
    if not re.fullmatch("[0-9]+", name):
        return name
    if len(name) > 3 or int(name) > MAX_POSITION:
        raise ValueError(f"{name} is no position in a list; a name that is a number stands in quotes")
    return int(name)


class Tree:
    """Builds the nested input. Positions of a list may be left out: the rest moves up."""

    def __init__(self) -> None:
        self._root: dict[Part, Any] = {}

    def put(self, parts: tuple[Part, ...], value: Any) -> None:
        """Set ``value`` (the tree owns it from now on); raise ValueError where something else is in the way.

        A later value replaces an earlier one at the same target.
        """
        node = self._root
        for depth, (part, following) in enumerate(pairwise(parts), 1):
            inner = _opened(node.get(part))
            if inner is None:
                inner = _List() if isinstance(following, int) else {}
            if not isinstance(inner, dict) or isinstance(inner, _List) != isinstance(following, int):
                raise ValueError(".".join(str(part) for part in parts[:depth]))
            node[part] = inner
            node = inner
        node[parts[-1]] = value

    def value(self) -> dict[str, Any]:
        """Return what was built."""
        built: dict[str, Any] = _closed(self._root)
        return built


class _List(dict[Part, Any]):
    """A list under construction, by position."""


def _opened(value: Any) -> Any:
    return _List(enumerate(value)) if isinstance(value, list) else value


def _closed(value: Any) -> Any:
    if isinstance(value, _List):
        return [_closed(value[position]) for position in sorted(value, key=int)]
    if isinstance(value, dict):
        return {key: _closed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_closed(inner) for inner in value]
    return value


def unknown_target(model: type[BaseModel], parts: tuple[Part, ...]) -> str:
    """Return a sentence if ``model`` has no place for a target, else an empty text."""
    return _unknown(model, parts)


def _unknown(kind: Any, parts: tuple[Part, ...]) -> str:
    if not parts:
        return ""
    answers = [_unknown_in(option, parts) for option in _options(kind)]
    return "" if "" in answers else answers[0]


def _unknown_in(kind: Any, parts: tuple[Part, ...]) -> str:
    first, rest = parts[0], parts[1:]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = _fields(kind)
        if first in fields:
            return _unknown(fields[str(first)].annotation, rest)
        if kind.model_config.get("extra") == "allow" and isinstance(first, str):
            return ""
        return f"a field of the action: {', '.join(dict.fromkeys(map(str, fields)))}"
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if kind is Any or origin is object:
        return ""
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset):
        if not isinstance(first, int):
            return f"a position in the list, such as 0, before {first}"
        return _unknown(arguments[0] if arguments else Any, rest)
    if isinstance(origin, type) and hasattr(origin, "keys"):
        return _unknown(arguments[1] if len(arguments) > 1 else Any, rest)
    return f"a target that ends before {first}: the field has no parts"


def missing_targets(model: type[BaseModel], targets: list[tuple[Part, ...]], prefix: str = "") -> list[str]:
    """Return the required fields of ``model`` (dotted) that no target fills, nested ones where begun."""
    missing = []
    for name, field in model.model_fields.items():
        names = {name, field.alias, field.validation_alias}
        below = [target[1:] for target in targets if target and target[0] in names]
        if not below and field.is_required():
            missing.append(prefix + str(field.alias or name))
        elif below and all(below):
            nested = [option for option in _options(field.annotation) if _is_model(option)]
            if len(nested) == 1:
                missing += missing_targets(nested[0], below, f"{prefix}{field.alias or name}.")
    return missing


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    by_alias = {field.alias: field for field in model.model_fields.values() if field.alias}
    return {**by_alias, **model.model_fields}


def _options(kind: Any) -> list[Any]:
    """The types a value may have: unions and annotations opened, None left out."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _options(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [option for inner in get_args(kind) for option in _options(inner)]
    if kind is NoneType:
        return []
    if origin is Literal:
        return [str]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
