"""One business object in every connected system, field by field."""

from dataclasses import dataclass
from typing import Any

from hub.mapping.values import shown
from hub.sync.models import Direction, ExternalLink, Record, Sync, Winner


@dataclass(frozen=True, slots=True)
class Cell:
    """A field's value somewhere; ``same``: as in the hub."""

    text: str
    same: bool


@dataclass(frozen=True, slots=True)
class Side:
    """An integration's side: its link, whether it is in step, and the sentence that says why."""

    link: ExternalLink
    in_step: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Sides:
    """The whole: ``fields`` are (name, the hub's value, a cell for each of ``read``)."""

    sides: list[Side]
    read: list[ExternalLink]
    fields: list[tuple[str, str, list[Cell]]]


def compare(record: Record) -> Sides:
    """Put what the hub has beside what each integration told last."""
    links = list(record.links.select_related("integration").order_by("integration__name"))
    syncs = list(Sync.objects.filter(type=record.type_id, enabled=True))
    read = [link for link in links if isinstance(link.read, dict)]
    names = [*record.data, *(name for link in read for name in link.read or {})]
    fields = [
        (name, _text(record.data, name), [_cell(record, link, name) for link in read])
        for name in dict.fromkeys(names)
    ]
    return Sides([_side(record, link, syncs) for link in links], read, fields)


def _side(record: Record, link: ExternalLink, syncs: list[Sync]) -> Side:
    in_step = link.fingerprint == record.fingerprint
    return Side(link, in_step, _sentence(link, in_step, [s for s in syncs if _same(s, link)]))


def _same(sync: Sync, link: ExternalLink) -> bool:
    return sync.integration_id == link.integration_id


def _sentence(link: ExternalLink, in_step: bool, syncs: list[Sync]) -> str:
    if link.error:
        return f"Refused: {link.error}"
    if in_step:
        return "It has the record as it is here."
    if not any(sync.direction == Direction.PUSH for sync in syncs):
        return "The record is another here, and no push is set up that would tell."
    pulls = [sync for sync in syncs if sync.direction == Direction.PULL]
    if any(sync.wins == Winner.PROVIDER for sync in pulls):
        return "Changed here; the next push tells. If it is read before with another value, that one wins."
    return "Changed here; the next push tells."


def _cell(record: Record, link: ExternalLink, name: str) -> Cell:
    values = link.read or {}
    return Cell(_text(values, name), name in values and values[name] == record.data.get(name))


def _text(values: dict[str, Any], name: str) -> str:
    if name not in values:
        return "–"
    value = values[name]
    return value if isinstance(value, str) else shown(value)
