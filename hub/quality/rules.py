"""Whether a record keeps a rule. Pure: no database, no clock."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from hub.mapping.values import shown
from hub.quality.models import QualityRule, RuleKind
from hub.sync.records import at

#: Characters of a value that a pattern is held against; a longer one fits none.
MAX_TEXT = 200
_Parsed = Any


def sentence(rule: QualityRule) -> str:
    """Return the rule as people read it."""
    name = rule.field or "The record"
    if rule.kind == RuleKind.PATTERN:
        return f"{name} must look like {rule.pattern}"
    if rule.kind == RuleKind.FRESH:
        return f"{name} must not be older than {rule.days} day{'s' if rule.days != 1 else ''}"
    if rule.kind == RuleKind.RANGE:
        if rule.maximum is None:
            return f"{name} must be {_number(rule.minimum)} at least"
        if rule.minimum is None:
            return f"{name} must be {_number(rule.maximum)} at most"
        return f"{name} must be between {_number(rule.minimum)} and {_number(rule.maximum)}"
    return f"{name} {rule.get_kind_display()}"


def broken(
    rule: QualityRule, data: Mapping[str, Any], changed_at: datetime, now: datetime, twice: set[str]
) -> str:
    """Return why the record breaks the rule, "" where it keeps it.

    ``twice``: the values of the field that several records have, as ``comparable`` makes them. But for a
    rule that asks for it, a field that is empty breaks none.
    """
    value = at(data, rule.field) if rule.field else None
    empty = value is None or value == "" or value == []
    if rule.kind == RuleKind.REQUIRED:
        return f"{rule.field} is empty" if empty else ""
    if rule.kind == RuleKind.FRESH:
        return _too_old(rule, changed_at if not rule.field else value, now)
    if empty:
        return ""
    if rule.kind == RuleKind.UNIQUE:
        return f"other records have {shown(value)} too" if comparable(value) in twice else ""
    if rule.kind == RuleKind.PATTERN:
        text = value if isinstance(value, str) else shown(value)
        return (
            ""
            if len(text) <= MAX_TEXT and _compiled(rule.pattern).fullmatch(text)
            else f"it is {shown(value)}"
        )
    return _out_of_range(rule, value)


def comparable(value: Any) -> str:
    """Return a value as the database compares it: a text as it is, anything else as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else shown(value) if isinstance(value, dict | list) else str(value)


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a pattern, "" for none; one that may take for ever is refused."""
    try:
        parsed = re._parser.parse(pattern)  # type: ignore[attr-defined]
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"This is no regular expression: {error}."
    if _explodes(parsed):
        return (
            "A repetition of something that repeats itself, as in (a+)+, may take for ever. Say it simpler."
        )
    return ""


def _explodes(parsed: _Parsed, within: bool = False) -> bool:
    """Whether a repetition holds one, or a choice, with nothing fixed that tells its rounds apart."""
    for kind, argument in parsed:
        name = str(kind)
        if within and name in ("MAX_REPEAT", "MIN_REPEAT", "BRANCH"):
            return True
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            body = argument[2]
            inner = _unwrapped(body)
            # A sign that is no letter begins or ends each round, as in (\.\w+)+.
            fixed = any(str(part[0]) == "LITERAL" and not chr(part[1]).isalnum() for part in inner)
            if _explodes(inner, within=argument[1] > 1 and not fixed):
                return True
        elif name == "SUBPATTERN":
            if _explodes(argument[-1], within):
                return True
        elif name == "BRANCH" and any(_explodes(branch, within) for branch in argument[1]):
            return True
    return False


def _unwrapped(body: _Parsed) -> _Parsed:
    """Return what stands in the group that a repetition repeats."""
    while len(body) == 1 and str(body[0][0]) == "SUBPATTERN":
        body = body[0][1][-1]
    return body


def _fits(pattern: str, value: Any) -> bool:
    text = value if isinstance(value, str) else shown(value)
    return len(text) <= MAX_TEXT and bool(_compiled(pattern).fullmatch(text))


def _too_old(rule: QualityRule, value: Any, now: datetime) -> str:
    when = value if isinstance(value, datetime) else _moment(value)
    if when is None:
        return f"{rule.field} is no date: {shown(value)}"
    return f"it is of {when:%Y-%m-%d}" if when < now - timedelta(days=rule.days or 0) else ""


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and not found.tzinfo else found


def _out_of_range(rule: QualityRule, value: Any) -> str:
    try:
        number = float(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        return f"{shown(value)} is no number"
    low = rule.minimum is not None and number < rule.minimum
    return f"it is {shown(value)}" if low or (rule.maximum is not None and number > rule.maximum) else ""


def _number(value: float | None) -> str:
    return f"{value:g}" if value is not None else ""


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
