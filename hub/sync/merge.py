"""What becomes of a record that both sides know: field by field, against what both had last. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.sync.models import Winner

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is asked about a record beside its fields.

    ``unsent``: the hub has it otherwise than the integration was told. ``newer``: whether the change
    there is the later one; None where nobody knows.
    """

    unsent: bool
    newer: bool | None = None
    wins: str = Winner.PROVIDER
    field_wins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """The record as it becomes. ``conflicts``: field → {"hub", "provider"}, left as they are here.

    ``in_step``: the integration has all of ``data`` as it is.
    """

    data: dict[str, Any]
    conflicts: dict[str, dict[str, Any]]
    in_step: bool


def merge(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], base: Mapping[str, Any] | None, facts: Facts
) -> Merged:
    """Lay what was read over the record, where it wins; fields that only the hub has stay."""
    data, conflicts, kept = dict(ours), dict[str, dict[str, Any]](), False
    for name, value in theirs.items():
        if name in ours and ours[name] == value:
            continue
        was = base.get(name, _ABSENT) if base else _ABSENT
        winner = _winner(name, ours.get(name, _ABSENT), value, was, facts)
        if winner == Winner.PROVIDER:
            data[name] = value
            continue
        kept = True
        if winner == Winner.ASK:
            conflicts[name] = {"hub": ours.get(name), "provider": value}
    in_step = data == theirs or not (facts.unsent or kept)
    return Merged(data, conflicts, in_step)


def new_base(base: Mapping[str, Any] | None, theirs: Mapping[str, Any], merged: Merged) -> dict[str, Any]:
    """Return what both sides had last, after a read; fields in conflict stay in conflict."""
    return {**(base or {}), **{name: theirs[name] for name in theirs if name not in merged.conflicts}}


def _winner(name: str, mine: Any, value: Any, was: Any, facts: Facts) -> str:
    """Who is right about a field that differs: hub, provider, or a person (ask)."""
    rule = facts.field_wins.get(name, "")
    if rule in (Winner.HUB, Winner.PROVIDER):
        return rule
    if not facts.unsent or (was is not _ABSENT and mine == was):
        return Winner.PROVIDER  # nothing was changed here
    if was is not _ABSENT and value == was:
        return Winner.HUB  # nothing was changed there
    # A field that only one side has is no contradiction.
    if mine is _ABSENT:
        return Winner.PROVIDER
    winner = rule or facts.wins
    if winner != Winner.NEWEST:
        return winner
    if facts.newer is None:
        return Winner.ASK
    return Winner.PROVIDER if facts.newer else Winner.HUB
