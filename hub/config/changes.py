"""What a document changes, in a form that people read before they say yes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["create", "change", "delete"]
SIGNS: dict[Kind, str] = {"create": "+", "change": "~", "delete": "-"}
MAX_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is made, changed or deleted, with a line per value."""

    kind: Kind
    what: str
    slug: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(
            (f"{SIGNS[self.kind]} {self.what} {self.slug}", *(f"    {line}" for line in self.lines))
        )


@dataclass(slots=True)
class Report:
    """All changes of one document, in the order they are made."""

    changes: list[Change] = field(default_factory=list)

    def note(
        self,
        what: str,
        slug: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
        secrets: tuple[str, ...] = (),
    ) -> None:
        """Note what became of a row; nothing is noted where nothing changed."""
        lines = [*differences(before or {}, after), *(f"{name}: (secret) set" for name in secrets)]
        if before is None or lines:
            self.changes.append(Change("create" if before is None else "change", what, slug, tuple(lines)))

    def __str__(self) -> str:
        if not self.changes:
            return "Nothing to do: the hub is as the file says."
        counts = {kind: sum(change.kind == kind for change in self.changes) for kind in SIGNS}
        total = f"{counts['create']} to create, {counts['change']} to change, {counts['delete']} to delete"
        return "\n".join((*map(str, self.changes), "", total))


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return a line per value that differs: ``priority: normal → high``."""
    lines: list[str] = []
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new or name == "slug" or (not old and not new and not before):
            continue
        if isinstance(new, Mapping) and isinstance(old, Mapping | None):
            lines += differences(old or {}, new, f"{prefix}{name}.")
        elif old in (None, "", [], {}):
            lines.append(f"{prefix}{name}: {_shown(new)}")
        else:
            lines.append(f"{prefix}{name}: {_shown(old)} → {_shown(new)}")
    return lines


def _shown(value: Any) -> str:
    if value in (None, "", [], {}):
        return "(none)"
    if isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    text = str(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
