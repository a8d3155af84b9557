"""One business object in every connected system, field by field, who wins and why.

The same function that a read asks (``merge``) is asked here, one field at a time, so that the page
says what would happen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.mapping.values import shown
from hub.sync.merge import Facts, merge
from hub.sync.models import Conflict, Direction, ExternalLink, Record, Sync, Winner

SAME, HUB_WINS, THEY_WIN, ASKS, WAITS, ABSENT = "same", "hub", "there", "ask", "waits", "absent"


@dataclass(frozen=True, slots=True)
class Cell:
    """A field's value somewhere. ``state``: one of the names above; ``why``: the sentence beside it."""

    text: str
    state: str
    why: str = ""


@dataclass(slots=True)
class Side:
    """An integration's side: its link (None: it does not have the record yet), whether it is in step, and
    the sentence that says why."""

    integration: Any
    link: ExternalLink | None
    sentence: str
    in_step: bool = False
    conflict: Conflict | None = None
    syncs: list[Sync] = field(default_factory=list)

    @property
    def pull(self) -> Sync | None:
        """What reads it, if anything does."""
        return next((sync for sync in self.syncs if sync.direction == Direction.PULL), None)

    @property
    def pushed(self) -> bool:
        """Whether anything sends it."""
        return any(sync.direction == Direction.PUSH for sync in self.syncs)


@dataclass(frozen=True, slots=True)
class Sides:
    """The whole: ``fields`` are (name, the hub's value, a cell for each of ``there``)."""

    there: list[Side]
    absent: list[Side]
    fields: list[tuple[str, str, list[Cell]]]


def compare(record: Record) -> Sides:
    """Put what the hub has beside what each integration told last, or was told last."""
    syncs = list(Sync.objects.filter(type=record.type_id, enabled=True).select_related("integration"))
    conflicts = {one.integration_id: one for one in record.conflicts.filter(chosen="")}
    there = [
        _side(record, link, syncs, conflicts.get(link.integration_id))
        for link in record.links.select_related("integration").order_by("integration__name")
    ]
    names = [*record.data, *(name for side in there for name in _read(side))]
    fields = [
        (name, _text(record.data, name), [_cell(record, side, name) for side in there])
        for name in dict.fromkeys(names)
    ]
    return Sides(there, _absent(record, syncs, there), fields)


def _side(record: Record, link: ExternalLink, syncs: Sequence[Sync], conflict: Conflict | None) -> Side:
    own = [sync for sync in syncs if sync.integration_id == link.integration_id]
    side = Side(link.integration, link, "", link.fingerprint == record.fingerprint, conflict, own)
    read = _read(side)
    if not side.pushed and read and not record.deleted:
        # Nobody tells it the other fields: it need not have them.
        side.in_step = all(name in record.data and record.data[name] == read[name] for name in read)
    side.sentence = _sentence(side, link)
    return side


def _sentence(side: Side, link: ExternalLink) -> str:
    if link.error:
        return f"Refused: {link.error}"
    if side.conflict:
        return "Both sides changed it; it is not sent until somebody has decided."
    if side.in_step:
        return "It has the record as it is here." if side.pushed else "What it told of it is so here as well."
    if not side.pushed:
        return "The record is another here, and no push is set up that would tell."
    return "Changed here; the next push tells."


def _absent(record: Record, syncs: Sequence[Sync], there: Sequence[Side]) -> list[Side]:
    """Return the integrations that are kept in step with the type, but do not have the record."""
    known = {side.integration.pk for side in there}
    found: dict[Any, Side] = {}
    for sync in syncs:
        if sync.integration_id not in known:
            found.setdefault(sync.integration_id, Side(sync.integration, None, "")).syncs.append(sync)
    for side in found.values():
        side.sentence = "It does not have the record, and nothing sends it there."
        if side.pushed:
            side.sentence = (
                "Deleted here, so it is not sent." if record.deleted else "The next push sends it there."
            )
    return list(found.values())


def _cell(record: Record, side: Side, name: str) -> Cell:
    read = _read(side)
    if name in read:
        return _compared(record, side, name, read)
    if read or name not in record.data:
        return Cell("–", ABSENT)
    # It was only ever sent there.
    if side.in_step:
        return Cell(_text(record.data, name), SAME, "as it was sent")
    return Cell("–", WAITS, "The next push sends it." if side.pushed else "Nothing sends it.")


def _compared(record: Record, side: Side, name: str, read: Mapping[str, Any]) -> Cell:
    text, link = _text(read, name), side.link
    if name in record.data and record.data[name] == read[name]:
        return Cell(text, SAME)
    if side.in_step:
        return Cell(_text(record.data, name), SAME, "as it was sent since")
    if side.conflict and name in side.conflict.fields:
        return Cell(text, ASKS, "Both sides changed it. Somebody has to decide.")
    sync = side.pull
    if sync is None or link is None:
        return Cell(text, HUB_WINS if side.pushed else WAITS, _unread(side))
    base = link.base
    unsent = bool(link.fingerprint) and not side.in_step
    # Which change is the later one shows when it is read.
    facts = Facts(unsent or not link.fingerprint, None, sync.wins, sync.field_wins or {})
    ours = {name: record.data[name]} if name in record.data else {}
    merged = merge(ours, {name: read[name]}, base, facts)
    rule = (sync.field_wins or {}).get(name) or sync.wins
    own = name in (sync.field_wins or {})
    if name in merged.conflicts:
        return Cell(text, ASKS, _asking(rule))
    both = _both(ours, read, base, name)
    if merged.data.get(name) == read[name]:
        return Cell(text, THEY_WIN, _why_there(str(side.integration), rule, own, both))
    return Cell(text, HUB_WINS, _why_here(side, rule, own, both))


def _both(
    ours: Mapping[str, Any], read: Mapping[str, Any], base: Mapping[str, Any] | None, name: str
) -> bool:
    """Whether both sides changed the field since they last had the same."""
    if name not in ours:
        return False
    return not base or name not in base or (ours[name] != base[name] and read[name] != base[name])


def _unread(side: Side) -> str:
    if side.pushed:
        return "The hub's value is sent; nothing is read from there."
    return "Nothing reads or sends it."


def _asking(rule: str) -> str:
    if rule == Winner.NEWEST:
        return "Both sides changed it; the later change wins when it is read."
    return "Both sides changed it; the next read puts it on the list of conflicts."


def _why_there(name: str, rule: str, own: bool, both: bool) -> str:
    if own and rule == Winner.PROVIDER:
        return f"{name} is right about this field: the next read takes its value."
    if both:
        return f"Where both changed a field, {name} wins: the next read takes its value."
    return "Only changed there: the next read takes its value."


def _why_here(side: Side, rule: str, own: bool, both: bool) -> str:
    sent = "the next push sends it." if side.pushed else "but nothing sends it there."
    if own and rule == Winner.HUB:
        return f"The hub is right about this field: {sent}"
    if both:
        return f"Where both changed a field, the hub wins: {sent}"
    return f"Only changed here: {sent}"


def _read(side: Side) -> Mapping[str, Any]:
    values = side.link.read if side.link else None
    return values if isinstance(values, dict) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "–"
    value = values[name]
    return value if isinstance(value, str) else shown(value)
