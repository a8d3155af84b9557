"""The preview of the rules editor: what an event would become, and the exact request, unsent."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from hub.accounts.access import organizations_for
from hub.accounts.models import Organization, Role
from hub.connections.models import Integration
from hub.delivery.inputs import InputProblem
from hub.delivery.preview import Preview, preview, preview_rules, read_pasted
from hub.delivery.sources import Envelope
from hub.events.envelopes import envelope_of
from hub.events.models import Event, EventType, Route
from hub.events.routing import matches
from hub.lib.html import ago
from hub.lib.typed import TypedError, read_typed
from hub.mapping.actions import find_action
from hub.mapping.changes import outputs
from hub.mapping.engine import map_leniently, rule_values, validate_rules
from hub.mapping.fields import target_fields
from hub.mapping.models import FieldMapping
from hub.mapping.suggestions import suggest
from hub.mapping.values import shown
from integrations.base.registry import providers

#: Newest events that are looked at and offered to try a mapping with, and source paths offered.
OFFERED = 60
MAX_PATHS = 400
#: What stands before an event type's key where its example is chosen.
EXAMPLE = "example:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@require_GET
def sources(request: HttpRequest) -> JsonResponse:
    """What a preview can be made with: ``?organization=`` of the mapping, ``?mapping=`` if it is saved."""
    mine = _organizations(request, request.GET.get("organization"))
    patterns = _patterns(mine, request.GET.get("mapping", ""))
    return JsonResponse(
        {
            "events": [*_events(mine, patterns), *_examples(mine, patterns)],
            "integrations": [
                {
                    "id": str(row.pk),
                    "provider": row.provider_slug,
                    "label": str(row),
                    "sandbox": row.sandbox,
                    "actions": _action_names(row.provider_slug),
                }
                for row in Integration.objects.listed().filter(organization__in=mine).order_by("name")
            ],
            "may_send": organizations_for(request.user, Role.OPERATOR).filter(pk__in=mine).exists(),
        }
    )


class Unread(ValueError):
    """What was pasted is no JSON; the message says where, and what helps."""


@require_POST
def show(request: HttpRequest) -> JsonResponse:
    """JSON in: organization, mapping (if it is saved), target, integration, event or pasted, rules.

    JSON out: html, problems and values by rule, paths that the event offers, the input field by field with
    what differs from the saved mapping's, sources suggested for fields that nothing fills, and why what was
    pasted cannot be read.
    """
    try:
        asked = json.loads(request.body)
        envelope = read_envelope(request, asked)
    except Unread as error:
        return _answer(Preview(problems=[InputProblem(str(error))]), more={"unread": str(error)})
    except ValueError as error:
        return _answer(Preview(problems=[InputProblem(str(error))]))
    rules = asked["rules"] if isinstance(asked.get("rules"), list) else []
    if envelope is None:
        return _unchosen(asked, rules)
    more = {
        "outputs": _outputs(request, asked, rules, envelope),
        "suggestions": _suggestions(asked, rules, envelope),
    }
    return _answer(_preview(request, asked, rules, envelope), rules, envelope, more)


def _organizations(request: HttpRequest, chosen: Any) -> QuerySet[Organization]:
    mine = organizations_for(request.user)
    return mine.filter(pk=chosen) if str(chosen or "").isdecimal() else mine


def _patterns(mine: QuerySet[Organization], mapping: str) -> list[str]:
    """Return the type patterns of the routes that use the mapping."""
    if not mapping.isdecimal():
        return []
    routes = Route.objects.filter(organization__in=mine)
    own = routes.filter(mapping_id=int(mapping)).values_list("type_pattern", flat=True)
    fallback = routes.filter(fallbacks__mapping_id=int(mapping)).values_list("type_pattern", flat=True)
    return [*own, *fallback]


def _events(mine: QuerySet[Organization], patterns: list[str]) -> Iterator[dict[str, str]]:
    """The newest events, those that the mapping's routes take first."""
    rows = Event.objects.filter(organization__in=mine).order_by("-id")
    newest = list(rows.only("id", "type", "subject", "received_at")[:OFFERED])
    newest.sort(key=lambda event: not _wanted(event.type, patterns))
    for event in newest:
        label = f"{' '.join(filter(None, (event.type, event.subject)))}, {ago(event.received_at)}"
        yield {"id": str(event.pk), "label": label, "group": _group(event.type, patterns)}


def _examples(mine: QuerySet[Organization], patterns: list[str]) -> Iterator[dict[str, str]]:
    rows = EventType.objects.filter(organization__in=mine, example__isnull=False).only("pk", "name")[:OFFERED]
    for kind in sorted(rows, key=lambda kind: not _wanted(kind.name, patterns)):
        label = f"Example of {kind.name}"
        yield {"id": f"{EXAMPLE}{kind.pk}", "label": label, "group": "Examples of event types"}


def _wanted(event_type: str, patterns: list[str]) -> bool:
    return any(matches(pattern, event_type) for pattern in patterns)


def _group(event_type: str, patterns: list[str]) -> str:
    if not patterns:
        return "Newest events"
    return "Events its routes take" if _wanted(event_type, patterns) else "Other events"


def _action_names(provider_slug: str) -> list[str]:
    provider = providers().get(provider_slug)
    return [action.name for action in provider.actions] if provider else []


def read_envelope(request: HttpRequest, asked: Any) -> Envelope | None:
    """Return the chosen or pasted event; None where there is none. Raises ValueError with a sentence."""
    if not isinstance(asked, dict):
        raise ValueError("The preview was asked in an unknown way. Reload the page.")
    if asked.get("event"):
        return _chosen_event(_organizations(request, asked.get("organization")), str(asked["event"]))
    text = str(asked.get("pasted") or "").strip()
    if not text:
        return None
    try:
        return read_pasted(read_typed(text))
    except TypedError as error:
        raise Unread(f"What was pasted is no JSON yet: {error}") from None


def _chosen_event(mine: QuerySet[Organization], chosen: str) -> Envelope | None:
    if chosen.startswith(EXAMPLE):
        key = chosen.removeprefix(EXAMPLE)
        kind = EventType.objects.filter(organization__in=mine, pk=key).first() if key.isdecimal() else None
        return read_pasted({"type": kind.name, "data": kind.example}) if kind else None
    pk = _uuid(chosen)
    event = Event.objects.filter(organization__in=mine, pk=pk).first() if pk else None
    return envelope_of(event) if event else None


def _unchosen(asked: dict[str, Any], rules: list[Any]) -> JsonResponse:
    """Without an event only the rules themselves are checked."""
    provider_slug, _, action_name = str(asked.get("target") or "").partition(":")
    action = find_action(provider_slug, action_name)
    found = [entry for entry in validate_rules(rules, action.input if action else None) if entry.rule]
    problems = [InputProblem(str(entry), entry.target, entry.rule) for entry in found]
    if not problems:
        return _answer(Preview(notes=["Choose an event, or paste one as JSON, to see what it becomes."]))
    return _answer(Preview(problems=problems))


def _preview(request: HttpRequest, asked: dict[str, Any], rules: list[Any], envelope: Envelope) -> Preview:
    provider_slug, _, action_name = str(asked.get("target") or "").partition(":")
    mine = _organizations(request, asked.get("organization"))
    chosen = _uuid(asked.get("integration"))
    integration = Integration.objects.filter(organization__in=mine, pk=chosen).first() if chosen else None
    if integration is not None and provider_slug in ("", integration.provider_slug) and action_name:
        return preview(integration, action_name, rules, envelope)
    return preview_rules(provider_slug, action_name, rules, envelope)


def _outputs(
    request: HttpRequest, asked: dict[str, Any], rules: list[Any], envelope: Envelope
) -> list[dict[str, str]]:
    """Return the input field by field, compared with what the saved mapping makes of the same event."""
    key, mine = str(asked.get("mapping") or ""), _organizations(request, asked.get("organization"))
    saved = FieldMapping.objects.filter(organization__in=mine, pk=key).first() if key.isdecimal() else None
    event = envelope.as_dict()
    before = map_leniently(saved.rules, event) if saved else None
    return [asdict(entry) for entry in outputs(map_leniently(rules, event), before)]


def _suggestions(asked: dict[str, Any], rules: list[Any], envelope: Envelope) -> dict[str, dict[str, str]]:
    """Return for fields that no rule fills which part of the event probably belongs there."""
    provider_slug, _, action_name = str(asked.get("target") or "").partition(":")
    action = find_action(provider_slug, action_name)
    if action is None:
        return {}
    paths = list(islice(_walk(envelope.as_dict(), ""), MAX_PATHS))
    values = dict(paths)
    filled = [str(rule.get("target", "")) for rule in rules if isinstance(rule, dict)]
    fields = [field for field in target_fields(action.input) if not field["depth"]]
    return {
        found.target: {"source": found.source, "value": shown(values[found.source])}
        for found in suggest(fields, paths, filled)
    }


def _answer(
    made: Preview,
    rules: list[Any] | None = None,
    envelope: Envelope | None = None,
    more: dict[str, Any] | None = None,
) -> JsonResponse:
    general = [entry for entry in made.problems if not entry.rule]
    told_of = {"preview": made, "general": general, "no_rules": envelope is not None and not rules}
    html = render_to_string("mapping/preview.html", told_of)
    problems = [{"rule": entry.rule, "text": _at_rule(entry)} for entry in made.problems if entry.rule]
    values = rule_values(rules, envelope.as_dict()) if rules and envelope else {}
    told = {"html": html, "problems": problems, "values": values, "paths": _paths(envelope)}
    return JsonResponse({**told, "outputs": [], "suggestions": {}, "unread": "", **(more or {})})


def _at_rule(problem: InputProblem) -> str:
    """The sentence without the rule's name, for a place where it stands at the rule itself."""
    text = re.sub(
        rf"^(Rule {problem.rule}( \(.*?\))?|Field \S+ filled by rule {problem.rule}): ", "", problem.message
    )
    return text[:1].upper() + text[1:]


def _paths(envelope: Envelope | None) -> list[dict[str, str]]:
    """Return the source expressions that this event offers, each with the value that it has."""
    if envelope is None:
        return []
    return [
        {"path": path, "value": "" if isinstance(value, dict | list) else shown(value)}
        for path, value in islice(_walk(envelope.as_dict(), ""), MAX_PATHS)
    ]


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            name = key if _NAME.fullmatch(key) else json.dumps(key)
            yield from _walk(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        yield from _walk(value[0], f"{path}[0]")


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
