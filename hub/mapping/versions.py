"""What changed from one version of a mapping to another, which one was in use when, and bringing one back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from django.db import transaction

from hub.mapping.models import FieldMapping, MappingVersion

#: Characters of one option that a line shows.
OPTION_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison: ``mark`` is "+" (came), "-" (went) or "" (stayed)."""

    mark: str
    text: str


def compare(before: Any, after: Any) -> list[Line]:
    """Return what leads from ``before`` (None: nothing) to ``after``, in the order of the rules.

    Both are mappings or versions. A rule that moved went at one place and came at the other.
    """
    old, new = (_lines(each) if each is not None else [] for each in (before, after))
    lines: list[Line] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [Line("", text) for text in old[i1:i2]]
        else:
            lines += [Line("-", text) for text in old[i1:i2]]
            lines += [Line("+", text) for text in new[j1:j2]]
    return lines


def rule_text(rule: Mapping[str, Any]) -> str:
    """Return a rule as one line: ``data.email → lower → email (required)``."""
    steps = [_step(step) for step in rule.get("transforms") or []]
    way = " → ".join(
        [str(rule.get("source") or "(no source)"), *steps, str(rule.get("target") or "(no field)")]
    )
    return f"{way} (required)" if rule.get("required") else way


def latest_version(mapping: FieldMapping) -> MappingVersion | None:
    """Return the version that is in use; None for a mapping that was never saved."""
    return mapping.versions.first() if mapping.pk else None


def version_at(mapping_id: int | None, moment: datetime) -> MappingVersion | None:
    """Return the version that deliveries used at ``moment``; None where none was kept then."""
    if mapping_id is None:
        return None
    return MappingVersion.objects.filter(mapping=mapping_id, created_at__lte=moment).first()


def restore(version: MappingVersion, user: Any) -> FieldMapping:
    """Make ``version`` the mapping's present state, as a new version; return the mapping."""
    with transaction.atomic():
        mapping = FieldMapping.objects.select_for_update().get(pk=version.mapping_id)
        mapping.provider_slug, mapping.action = version.provider_slug, version.action
        mapping.rules = version.rules
        mapping.said_by(user, f"Restored from version {version.number}").save()
    return mapping


def _lines(state: Any) -> list[str]:
    made_for = f"Made for {state.provider_slug or 'any service'}: {state.action or 'any action'}"
    rules: Sequence[Any] = state.rules if isinstance(state.rules, list) else []
    return [f"Name: {state.name}", made_for, *(rule_text(rule) for rule in rules if isinstance(rule, dict))]


def _step(step: Any) -> str:
    if not isinstance(step, dict):
        return str(step)
    options = ", ".join(f"{name}={_shown(value)}" for name, value in step.items() if name != "name")
    return f"{step.get('name', '')}({options})" if options else str(step.get("name", ""))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= OPTION_SHOWN else text[:OPTION_SHOWN] + "…"
