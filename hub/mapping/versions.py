"""What changed from one version of a mapping to another, which one was in use when, and bringing one back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from django.db import transaction

from hub.mapping.actions import action_label
from hub.mapping.models import FieldMapping, MappingVersion
from hub.mapping.transforms import TRANSFORMS
from hub.mapping.transforms.base import Transform
from integrations.base.registry import providers

#: Characters of one option that a line shows.
OPTION_SHOWN = 80


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
    """Return a rule as one line: ``data.email → Lower case → email (required)``."""
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
    made_for = f"Made for {_service(state.provider_slug)}: {_action(state.provider_slug, state.action)}"
    rules: Sequence[Any] = state.rules if isinstance(state.rules, list) else []
    return [f"Name: {state.name}", made_for, *(rule_text(rule) for rule in rules if isinstance(rule, dict))]


def _service(slug: str) -> str:
    known = providers().get(slug)
    return known.name if known else slug or "any service"


def _action(slug: str, name: str) -> str:
    return action_label(slug, name) if name else "any action"


def _step(step: Any) -> str:
    """Return a step as the editor names it: ``Template (text: “Order {data.id}”)``."""
    if not isinstance(step, dict):
        return str(step)
    name = str(step.get("name", ""))
    kind = TRANSFORMS.get(name)
    options = "; ".join(
        f"{_option(kind, option)}: {_shown(value)}" for option, value in step.items() if option != "name"
    )
    label = kind.label if kind else name
    return f"{label} ({options})" if options else label


def _option(kind: type[Transform] | None, name: str) -> str:
    field = kind.model_fields.get(name) if kind else None
    return (field.title or name if field else name).replace("_", " ").lower()


def _shown(value: Any) -> str:
    text = _in_words(value)
    return text if len(text) <= OPTION_SHOWN else text[:OPTION_SHOWN] + "…"


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return f"“{value}”"
    if isinstance(value, dict):
        return ", ".join(f"{key} → {inner}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False, default=str)
