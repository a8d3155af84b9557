"""The fields of what is read from a provider, against the read before.

A field is *new* where it was never read, *retyped* where it brings a type that it never had, *missing*
where every row had it and none has it any more. What was found is told once: the shape that it was
compared with is replaced.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery import log
from hub.delivery.models import LogKind
from hub.events.alerts import alert_of
from hub.quality.models import Drift, ReadShape
from hub.sync.models import SyncRun

#: How deep fields within fields are looked at, how many of them, and entries of a list.
MAX_DEPTH, MAX_FIELDS, LISTED = 3, 500, 5
#: Rows that a field which every row had must be away from to count as missing.
ENOUGH = 5
Shape = dict[str, dict[str, Any]]


def note(shape: Shape, row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> bool:
    """Add a row's fields to ``shape``; return whether it brought a field or a type."""
    changed = False
    for name, value in row.items():
        path = f"{prefix}{name}"
        if path not in shape:
            if len(shape) >= MAX_FIELDS:
                continue
            shape[path] = {"types": [], "seen": 0}
            changed = True
        known = shape[path]
        known["seen"] += 1
        kind = kind_of(value)
        if kind and kind not in known["types"]:
            known["types"] = sorted([*known["types"], kind])
            changed = True
        if depth + 1 < MAX_DEPTH:
            for part, step in _parts(value):
                changed |= note(shape, part, f"{path}{step}.", depth + 1)
    return changed


def compare(before: Shape, after: Shape, rows: int) -> list[dict[str, str]]:
    """Return what changed, field by field; parts of a field that is told itself are left out.

    ``before`` is a shape as ``settled`` leaves it, ``after`` one as ``note`` makes it of ``rows`` rows.
    """
    told: list[dict[str, str]] = []

    def tell(path: str, what: str, old: Sequence[str], new: Sequence[str]) -> None:
        if not any(_within(path, one["field"]) for one in told):
            told.append({"field": path, "what": what, "before": _words(old), "after": _words(new)})

    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None and new is not None:
            tell(path, "new", [], new["types"])
        elif old is not None and new is None:
            # The parts of an object may be away with it.
            if old["always"] and old["away"] + rows >= ENOUGH and "." not in path:
                tell(path, "missing", old["types"], [])
        elif old and new and old["types"] and set(new["types"]) - set(old["types"]):
            tell(path, "retyped", old["types"], new["types"])
    return told


def settled(before: Shape, after: Shape, rows: int, told: Sequence[Mapping[str, str]]) -> Shape:
    """Return the shape that the next read is compared with: what is told now is known from now on.

    Of a field it says its ``types``, whether ``always`` every row had it, and how many rows it is ``away``.
    """
    gone = [one["field"] for one in told if one["what"] == "missing"]
    retyped = {one["field"] for one in told if one["what"] == "retyped"}
    whole: Shape = {}
    for path in {*before, *after}:
        old, new = before.get(path), after.get(path)
        if new is None:
            if old is not None and not any(path == field or _within(path, field) for field in gone):
                whole[path] = {**old, "away": old["away"] + rows}
            continue
        always = new["seen"] == rows and (old is None or (old["always"] and not old["away"]))
        keep = old["types"] if old and path not in retyped else []
        whole[path] = {"types": sorted({*keep, *new["types"]}), "always": always, "away": 0}
    return whole


def page_was_read(
    sender: Any, *, run: SyncRun, source: str, rows: Sequence[Any], last: bool, **_: Any
) -> None:
    """Receive a page; the last one of a run compares all of them with the read before."""
    integration = run.sync.integration
    shape, before_rows = _reading.get(run.pk) or _begin(integration, source, run)
    changed = False
    for row in rows:
        if isinstance(row, Mapping):
            changed |= note(shape, row)
    count = before_rows + len(rows)
    _remember(run.pk, None if last else (shape, count))
    if not last and not changed:
        return
    with transaction.atomic():
        found = ReadShape.objects.select_for_update().get(integration=integration, source=source)
        found.run, found.reading, found.reading_rows = run.pk, shape, count
        if last:
            _finish(found, integration)
        found.save()


def acknowledge(drift: Drift, user: Any) -> bool:
    """Somebody has seen it; return whether it was open."""
    open_ones = Drift.objects.filter(pk=drift.pk, acknowledged_at__isnull=True)
    return bool(open_ones.update(acknowledged_at=timezone.now(), acknowledged_by=user))


def kind_of(value: Any) -> str:
    """Return a value's type in a word, "" for none at all."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, dict) else "list" if isinstance(value, list) else "text"


def _parts(value: Any) -> list[tuple[Mapping[str, Any], str]]:
    if isinstance(value, Mapping):
        return [(value, "")]
    if isinstance(value, list):
        return [(entry, "[]") for entry in value[:LISTED] if isinstance(entry, Mapping)]
    return []


def _within(path: str, field: str) -> bool:
    """Whether a field is a part of another."""
    return path.startswith((f"{field}.", f"{field}[]"))


def _words(types: Sequence[str]) -> str:
    return " or ".join(types) or "empty"


#: Shapes of runs that this process reads now; what another one read is in the table.
_reading: dict[UUID, tuple[Shape, int]] = {}
MAX_RUNS = 50


def _remember(run_id: UUID, kept: tuple[Shape, int] | None) -> None:
    _reading.pop(run_id, None)
    if kept is not None:
        while len(_reading) >= MAX_RUNS:
            _reading.pop(next(iter(_reading)))
        _reading[run_id] = kept


def _begin(integration: Integration, source: str, run: SyncRun) -> tuple[Shape, int]:
    """Return what the run read in another process or before a crash; nothing for a run that begins."""
    found, _ = ReadShape.objects.get_or_create(integration=integration, source=source)
    return (found.reading, found.reading_rows) if found.run == run.pk else ({}, 0)


def _finish(found: ReadShape, integration: Integration) -> None:
    told = compare(found.fields, found.reading, found.reading_rows) if found.rows else []
    found.fields = settled(found.fields, found.reading, found.reading_rows, told)
    found.rows += found.reading_rows
    found.run, found.reading, found.reading_rows = None, {}, 0
    if told:
        _tell(integration, found.source, told)


def _tell(integration: Integration, source: str, told: list[dict[str, str]]) -> None:
    drift = Drift.objects.create(
        organization_id=integration.organization_id,
        integration=integration,
        source=source,
        changes=told,
        found_at=timezone.now(),
    )
    names = ", ".join(f"{one['field']} is {one['what']}" for one in told)
    said = f"The fields that {source!r} reads have changed: {names}."[:1000]
    details = {"integration": integration.slug, "source": source, "changes": told}
    alert = partial(alert_of, severity="warning", group="data quality", details=details)
    key, summary = f"drift-{integration.pk}-{source}", f"{integration}: {said}"
    transaction.on_commit(lambda: alert(integration, key, summary, once=f"drift-{drift.pk}"))
    log.record(
        integration,
        LogKind.STATE,
        "warning",
        said,
        hint="Look at the mapping that uses them; then say on the integration's page that you have seen it.",
    )
