"""From mapped data to an action's typed input, with sentences an admin understands."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from integrations.base.errors import Rejected

Model = TypeVar("Model", bound=BaseModel)

#: By pydantic's kinds of errors (its documentation, "Validation errors"); in braces what it tells of them.
_SENTENCES = {
    "missing": "is needed, but the mapping gives nothing",
    "extra_forbidden": "is not a field of this action; remove it, or put it under properties",
    "string_type": "must be text",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have {max_length} characters at the most",
    "too_short": "needs at least {min_length} entries",
    "too_long": "may have {max_length} entries at the most",
    "string_pattern_mismatch": "does not fit the pattern {pattern}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
}


def read_input(model: type[Model], data: Any) -> Model:
    """Return ``data`` as ``model``; raise Rejected with one sentence per field that does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Rejected("The mapped data does not fit the action.", fields=input_problems(error)) from None


def input_problems(error: ValidationError) -> dict[str, str]:
    """Return field → reason; the value itself is not repeated, it may be personal."""
    problems: dict[str, str] = {}
    for entry in error.errors(include_url=False):
        field = ".".join(str(part) for part in entry["loc"]) or "input"
        problems.setdefault(field, sentence(entry))
    return problems


def sentence(entry: Mapping[str, Any]) -> str:
    """Return what one entry of a ValidationError means, to be put behind the field's name."""
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in ("string_too_short", "too_short") and context["min_length"] == 1:
        return "must not be empty"
    told = _SENTENCES.get(kind)
    return told.format(**context) if told else entry["msg"][:1].lower() + entry["msg"][1:]
