"""Which part of an event probably belongs into which field: by name, by type, by what a value looks like.

Pure. A suggestion is only ever offered; nobody's rule is made by itself.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

#: Points of 100 that a suggestion needs.
LEAST = 70
#: Parts of the envelope itself are seldom meant where the data has something alike.
_ENVELOPE = 0.9
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
#: Words that people use for the same thing.
_SAME = (
    ("email", "mail"),
    ("phone", "telephone", "tel", "mobile"),
    ("company", "organization", "organisation", "employer"),
    ("first", "given", "fore"),
    ("last", "family", "sur"),
    ("zip", "postcode", "postal"),
    ("amount", "total", "sum", "price"),
    ("text", "message", "body"),
    ("url", "link", "website"),
    ("level", "severity", "priority"),
    ("reason", "summary", "title"),
    ("server", "host", "source", "component"),
)
_MEANING = {word: group[0] for group in _SAME for word in group}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Fill the field ``target`` from the source expression ``source``; ``score`` up to 100."""

    target: str
    source: str
    score: int


def suggest(
    fields: Iterable[Mapping[str, Any]], paths: Sequence[tuple[str, Any]], filled: Iterable[str]
) -> list[Suggestion]:
    """Return the best source for each of ``fields`` that nothing fills and that something resembles.

    ``fields`` as ``target_fields`` describes them; ``paths`` are (source expression, value) of an event;
    ``filled`` are the targets that rules have already.
    """
    taken = set(filled)
    found = []
    for field in fields:
        name = str(field["name"])
        if name in taken or any(target.startswith(f"{name}.") for target in taken):
            continue
        scored = [(_score(field, path, value), path) for path, value in paths]
        score, path = max(scored, key=lambda pair: pair[0], default=(0, ""))
        if score >= LEAST:
            found.append(Suggestion(name, path, score))
    return found


def _score(field: Mapping[str, Any], path: str, value: Any) -> int:
    name, kind = str(field["name"]), str(field["type"])
    fit = _type_fit(kind, value)
    if not fit:
        return 0
    alike = _alike(name.rpartition(".")[2], path)
    if _wants_email(field) and isinstance(value, str) and _EMAIL.fullmatch(value):
        alike = max(alike, 80)
    return round(alike * fit * (1 if path.startswith("data") else _ENVELOPE))


def _alike(name: str, path: str) -> float:
    """Compare a field's name with the last steps of a path."""
    steps = [step for step in re.split(r"[.\[\]\"]+", path) if step and not step.isdecimal()]
    if not steps:
        return 0
    wanted, last = _words(name), _words(steps[-1])
    whole = _words(" ".join(steps[-2:]))
    return max(_ratio(wanted, last), 0.95 * _ratio(wanted, whole))


def _ratio(one: list[str], other: list[str]) -> float:
    joined = fuzz.ratio("".join(one), "".join(other))
    return max(joined, fuzz.token_sort_ratio(" ".join(one), " ".join(other)))


def _words(name: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(name)]
    return [_MEANING.get(word, word) for word in words]


def _wants_email(field: Mapping[str, Any]) -> bool:
    said = f"{field['name']} {field['label']} {field['help']}".lower()
    return "email" in said or "e-mail" in said


def _type_fit(kind: str, value: Any) -> float:
    """How well a value fits a field's type in words: 1 as it is, less where it is changed, 0 not at all."""
    if value is None:
        return 0.8
    if "anything" in kind:
        return 1
    if isinstance(value, dict):
        return 1 if "object" in kind or "values by name" in kind else 0
    if isinstance(value, list):
        return 1 if "list" in kind else 0
    if isinstance(value, bool):
        return 1 if "true or false" in kind else 0.5
    if isinstance(value, int | float):
        return 1 if "number" in kind else 0.85
    return _text_fit(kind, str(value))


def _text_fit(kind: str, value: str) -> float:
    if "date" in kind:
        return 1 if _DATE.fullmatch(value) else 0.3
    if "number" in kind and "text" not in kind:
        return 0.9 if _NUMBER.fullmatch(value) else 0.3
    if "one of" in kind:
        return 1 if value in re.split(r"one of |, ", kind) else 0.8
    return 1 if "text" in kind or "list of text" in kind else 0.3
