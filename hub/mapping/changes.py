"""The input that rules make, field by field, beside what the saved ones make of the same event. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hub.mapping.values import shown

#: Fields that are listed.
MOST = 200


@dataclass(frozen=True, slots=True)
class Output:
    """One field of the input. ``change``: new, changed, gone, or "" where it is as before.

    ``value`` and ``was`` are shortened, as a person reads them.
    """

    field: str
    value: str = ""
    change: str = ""
    was: str = ""


def outputs(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> list[Output]:
    """List the fields of ``now`` with what changed since ``before`` (None: nothing to compare with)."""
    new, old = dict(_flat(now or {}, "")), dict(_flat(before or {}, ""))
    listed = [_output(field, value, old, before is not None) for field, value in new.items()]
    listed += [Output(field, "", "gone", shown(value)) for field, value in old.items() if field not in new]
    return listed[:MOST]


def _output(field: str, value: Any, old: Mapping[str, Any], compared: bool) -> Output:
    if not compared or (field in old and old[field] == value):
        return Output(field, shown(value))
    if field not in old:
        return Output(field, shown(value), "new")
    return Output(field, shown(value), "changed", shown(old[field]))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (dotted field, value) of everything that holds no parts."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{place}" if path else str(place))
    elif path:
        yield path, value
