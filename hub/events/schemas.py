"""JSON Schema 2020-12 of event types: compiled once, never fetched from anywhere."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from hub.lib.compact import compact
from hub.lib.patterns import longest_text, pattern_risk

#: Reasons told for one event.
MAX_REASONS = 10
_SHOWN = 200


class SchemaUnusable(ValueError):
    """The schema itself is wrong; the message says how."""


def schema_problems(schema: Any) -> list[str]:
    """Return sentences about a schema that an admin enters; an empty list: it can be used."""
    if not isinstance(schema, dict | bool):
        return ["A JSON Schema is an object."]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"{_path(error, 'schema')}: {error.message[:_SHOWN]}"]
    foreign = [
        f"The schema refers to {reference}: only parts of the schema itself (#/$defs/…) can be referred to."
        for reference in _references(schema)
        if not reference.startswith("#")
    ]
    return foreign + [risk for pattern in _patterns(schema) if (risk := pattern_risk(pattern))]


def data_reasons(schema: Any, data: Any) -> list[str]:
    """Return why ``data`` does not fit ``schema``, each with its path; raise SchemaUnusable."""
    validator = _compiled(compact(schema, sort=True))
    reasons: list[str] = []
    if reason := _long_name(validator.schema, data):
        return [reason]
    try:
        for error in validator.iter_errors(data):
            reasons.append(f"{_path(error, 'data')}: {_reason(error)}")
            if len(reasons) == MAX_REASONS:
                break
    except (Unresolvable, RecursionError) as error:
        raise SchemaUnusable(f"The schema cannot be used: {str(error)[:_SHOWN]}") from None
    return reasons


@lru_cache(maxsize=512)
def _compiled(schema: bytes) -> Draft202012Validator:
    loaded = orjson.loads(schema)
    if problems := schema_problems(loaded):
        raise SchemaUnusable(" ".join(problems))
    # An empty registry without a retriever: a reference to an address is never followed.
    checker = Draft202012Validator.FORMAT_CHECKER
    return _Validator(loaded, registry=Registry(), format_checker=checker)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The keyword ``pattern``, for texts that are not too long for it."""
    if not validator.is_type(instance, "string"):
        return
    if len(instance) > (most := longest_text(pattern)):
        yield ValidationError(f"has {len(instance)} characters; {pattern!r} is tried on {most} at most")
    elif not re.search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Any = extend(Draft202012Validator, {"pattern": _pattern})


def _long_name(schema: Any, data: Any) -> str:
    """Return a reason where a name in ``data`` is too long for a ``patternProperties`` of the schema."""
    most = min((longest_text(pattern) for pattern in _patterns(schema, "patternProperties")), default=0)
    waiting = [data] if most else []
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            if long := next((name for name in inner if len(name) > most), ""):
                return f"data: a name has {len(long)} characters; the schema's patterns take {most} at most."
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return ""


def _patterns(schema: Any, *keywords: str) -> Iterator[str]:
    """Yield the regular expressions of a schema: of ``keywords``, or of all that take one."""
    wanted = keywords or ("pattern", "patternProperties")
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in wanted:
                yield from (
                    each for each in ([value] if key == "pattern" else value) if isinstance(each, str)
                )
            yield from _patterns(value, *keywords)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value, *keywords)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


#: What the formats of JSON Schema are called by people.
FORMATS = {
    "email": "e-mail address",
    "date": "date such as 2026-11-21",
    "date-time": "time such as 2026-11-21T14:30:00Z",
    "time": "time of day such as 14:30:00Z",
    "uri": "address such as https://example.com/page",
    "uuid": "UUID",
    "ipv4": "IP address such as 192.0.2.1",
}


def _path(error: ValidationError | SchemaError, root: str) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return root + "".join(steps)


def _reason(error: ValidationError) -> str:
    text = error.message
    if error.validator == "format" and error.validator_value in FORMATS:
        text = f"{error.instance!r} is no {FORMATS[error.validator_value]}"
    return text if len(text) <= _SHOWN else text[: _SHOWN // 2] + " … " + text[-_SHOWN // 2 :]
