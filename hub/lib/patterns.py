"""Regular expressions that somebody enters and everybody's data is held against: none may take for ever.

Python's engine tries every way to split a text among the repeats of a pattern. A repeat within a repeat
has exponentially many ways, so such patterns are refused; the others have about ``n ** degree`` steps for
a text of n characters, so that the length of the text is what is limited.
"""

import re
from functools import lru_cache
from typing import Any

_parser: Any = re._parser  # type: ignore[attr-defined]
_constants: Any = re._constants  # type: ignore[attr-defined]
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
#: A repeat that may go further counts as one without end.
MANY = 64
#: Steps that one search may take: some tenths of a second.
STEPS = 10**8


def pattern_risk(pattern: str) -> str:
    """Return a sentence where ``pattern`` is no pattern or could take for ever, else an empty text."""
    try:
        re.compile(pattern)
        _degree(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"{pattern!r} is no regular expression: {error}."
    except _Risky:
        return (
            f"{pattern!r} repeats a part that can itself be read in several ways, such as (a+)+ or (a|aa)+: "
            "some texts would take for ever. Write it without repeats and alternatives in a repeat."
        )
    return ""


def longest_text(pattern: str) -> int:
    """Return how many characters a text may have that is searched for ``pattern`` (one without risk)."""
    degree = _degree(pattern)
    return 10**8 if degree <= 1 else int(STEPS ** (1 / degree))


class _Risky(ValueError):
    """The pattern has exponentially many ways to match."""


@lru_cache(maxsize=1024)
def _degree(pattern: str) -> int:
    parsed = _parser.parse(pattern)
    anchored = bool(parsed.data) and str(parsed.data[0][0]) == "AT" and "BEGINNING" in str(parsed.data[0][1])
    return _count(parsed, within=False) + (0 if anchored else 1)


def _count(items: Any, *, within: bool) -> int:
    """Count the repeats without end; raise _Risky where one holds something that is read in several ways."""
    found = 0
    for operator, argument in items:
        name = str(operator)
        if name in _REPEATS:
            found += _count_repeat(*argument, within=within)
        elif name == "BRANCH":
            if within:
                raise _Risky
            found += max(_count(branch, within=within) for branch in argument[1])
        elif name == "GROUPREF_EXISTS":
            found += sum(_count(branch, within=within) for branch in argument[1:] if branch)
        elif name == "GROUPREF":
            found += 1
        else:
            found += sum(_count(inner, within=within) for inner in _inner(argument))
    return found


def _count_repeat(least: int, most: int, items: Any, *, within: bool) -> int:
    endless = most == _constants.MAXREPEAT or most >= MANY
    if within and least != most:
        raise _Risky
    return int(endless) + _count(items, within=within or endless)


def _inner(argument: Any) -> list[Any]:
    """Return the parsed parts of an argument: of a group, a look-around or an atomic group."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    parts = argument if isinstance(argument, tuple | list) else ()
    return [each for each in parts if isinstance(each, _parser.SubPattern)]
