"""What somebody hands in as an event, and whether it has the right form. Pure: no database."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

#: Bytes the data of one event may have, as compact JSON.
MAX_DATA_BYTES = 1024 * 1024
#: Levels of objects and lists inside one another.
MAX_DEPTH = 64
MAX_DELAY = timedelta(days=366)
_LENGTHS = {"type": 200, "subject": 200, "source": 500, "idempotency_key": 255}
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:[.:/][A-Za-z0-9_-]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be accepted. Times are aware; ``deliver_at`` puts its deliveries off until then.

    ``warnings``: what the reader of the input wants kept with the event. ``strict``: the data comes
    out of a parser that lets pass nothing but JSON (no NaN, no halves of surrogate pairs), so that it
    need not be walked through again.
    """

    type: str
    data: Any = field(repr=False, default=None)
    subject: str = ""
    source: str = ""
    time: datetime | None = None
    idempotency_key: str | None = None
    deliver_at: datetime | None = None
    warnings: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True, slots=True)
class IntakeProblem:
    """Why a draft is refused: its position in the batch (from 0), the field, and a sentence."""

    index: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class IntakeError(Exception):
    """At least one draft of a batch is refused, so none was accepted. All problems are told."""

    def __init__(self, problems: Sequence[IntakeProblem]):
        super().__init__("; ".join(f"event {problem.index + 1}: {problem}" for problem in problems))
        self.problems = list(problems)


def check_drafts(drafts: Sequence[Draft], now: datetime) -> list[IntakeProblem]:
    """Return what is wrong with the form of ``drafts``: an empty list, or a problem per field."""
    return [
        IntakeProblem(index, name, message)
        for index, draft in enumerate(drafts)
        for name, message in _check(draft, now)
    ]


def _check(draft: Draft, now: datetime) -> list[tuple[str, str]]:
    found = [(name, _text_problem(name, getattr(draft, name))) for name in _LENGTHS]
    found.append(("time", _time_problem(draft.time)))
    found.append(("deliver_at", _deliver_at_problem(draft.deliver_at, now)))
    found.append(json_problem(draft.data) if draft.strict else data_problem(draft.data))
    return [(name, message) for name, message in found if message]


def _text_problem(name: str, value: Any) -> str:
    if value is None and name == "idempotency_key":
        return ""
    if not isinstance(value, str):
        return f"must be text, not {type(value).__name__}."
    if len(value) > _LENGTHS[name]:
        return f"may be {_LENGTHS[name]} characters long, not {len(value)}."
    if not value and name == "idempotency_key":
        return "must not be empty; leave it out where there is none."
    if name == "type" and not _TYPE.fullmatch(value):
        shape = "has words of letters, digits, _ and -, joined by dots, like order.paid"
        return f"{shape}; {value!r} has not." if value else f"is needed; it {shape}."
    if _CONTROL.search(value):
        return "must not hold control characters."
    return ""


def _time_problem(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return "must be a time with its offset, such as 2026-01-31T12:00:00Z."
    if not 1900 <= value.year <= 9000:
        return "must lie between the years 1900 and 9000."
    return ""


def _deliver_at_problem(value: Any, now: datetime) -> str:
    problem = _time_problem(value)
    if not problem and value is not None and value > now + MAX_DELAY:
        return f"may be {MAX_DELAY.days} days ahead at most."
    return problem


def data_problem(data: Any) -> tuple[str, str]:
    """Return (path, sentence) of what JSON or the database cannot hold; an empty sentence: all is well."""
    try:
        _inspect(data, 0)
        size = _size(data)
    except _Unfit as error:
        return "data" + "".join(reversed(error.path)), error.reason
    if size > MAX_DATA_BYTES:
        return "data", f"may have {MAX_DATA_BYTES} bytes as JSON, not {size}."
    return "data", ""


def json_problem(data: Any) -> tuple[str, str]:
    """The same for what a strict parser made, at a tenth of the cost."""
    try:
        encoded = orjson.dumps(data)
    except TypeError:
        return data_problem(data)
    # What could be too deep or hold a NUL is looked at closely; all other data is neither.
    if encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH or b"\\u0000" in encoded:
        return data_problem(data)
    if len(encoded) > MAX_DATA_BYTES:
        return "data", f"may have {MAX_DATA_BYTES} bytes as JSON, not {len(encoded)}."
    return "data", ""


class _Unfit(Exception):
    def __init__(self, reason: str):
        self.reason = reason
        self.path: list[str] = []


def _inspect(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if "\x00" in value or not _encodes(value):
            raise _Unfit("must not hold NUL characters or halves of surrogate pairs.")
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _Unfit(f"may be nested {MAX_DEPTH} levels deep.")
        _inspect_inner(value, depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _Unfit("must not hold NaN or Infinity: JSON has no such numbers.")
    elif value is not None and not isinstance(value, int):
        raise _Unfit(f"must be JSON; it holds a {type(value).__name__}.")


def _inspect_inner(value: dict[Any, Any] | list[Any], depth: int) -> None:
    listed = isinstance(value, list)
    for place, inner in enumerate(value) if isinstance(value, list) else value.items():
        try:
            if not listed:
                _inspect_name(place)
            _inspect(inner, depth)
        except _Unfit as error:
            error.path.append(f"[{place}]" if listed else f".{str(place)[:80]}")
            raise


def _inspect_name(name: Any) -> None:
    if not isinstance(name, str):
        raise _Unfit("must be JSON: the names in an object are text.")
    _inspect(name, 0)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(data: Any) -> int:
    try:
        return len(orjson.dumps(data))
    except TypeError:
        # Whole numbers past 64 bits.
        return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode())
