"""Reading values of an event: as text, as a number, shortened for a message."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

#: Characters of a value that a message shows.
SHOWN = 80
#: Powers of ten a number may have: more is no amount of anything, and would fill the memory.
MAX_MAGNITUDE = 40
#: Levels of objects and lists inside one another.
MAX_DEPTH = 150


class TransformError(ValueError):
    """A value does not fit: ``value`` is what came, ``expectation`` what would have been right."""

    def __init__(self, value: Any, expectation: str):
        super().__init__(f"got {shown(value)}, expected {expectation}")
        self.value = value
        self.expectation = expectation


def shown(value: Any) -> str:
    """Return ``value`` as a person reads it in a message, shortened."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else to_json(value)
    if len(text) > SHOWN:
        text = text[:SHOWN] + "…"
    return f"“{text}”" if isinstance(value, str) else text


def to_json(value: Any) -> str:
    """Return compact JSON; numbers that JSON lacks become text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def as_text(value: Any) -> str:
    """Return a text, number or truth value as text; raise TransformError for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return str(value)
    raise TransformError(value, "text")


def as_decimal(value: Any) -> Decimal:
    """Return a number, or text that is one, exactly; raise TransformError for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TransformError(value, "a number")
    try:
        # A float's shortest text is the number that stood in the JSON.
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        raise TransformError(value, "a number such as 1234.50") from None
    if not number.is_finite() or (number and abs(number.adjusted()) > MAX_MAGNITUDE):
        raise TransformError(value, f"a number of at most {MAX_MAGNITUDE} digits")
    return number


def as_list(value: Any) -> list[Any]:
    """Return a list; raise TransformError for anything else."""
    if not isinstance(value, list):
        raise TransformError(value, "a list")
    return value


def plain(value: Any, depth: int = 0) -> Any:
    """Return a copy that JSON can carry: an exact decimal becomes a number where that loses
    nothing, else text. Raise TransformError for what is nested too deeply."""
    if depth > MAX_DEPTH:
        raise TransformError("…", f"data nested at most {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, Decimal):
        return _plain_number(value)
    return value


def _plain_number(number: Decimal) -> int | float | str:
    if number == number.to_integral_value():
        return int(number)
    return float(number) if Decimal(str(float(number))) == number else f"{number:f}"
