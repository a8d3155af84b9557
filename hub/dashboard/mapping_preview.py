"""The preview of the rules editor: what an event would become, and the exact request, unsent."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from hub.accounts.access import organizations_for
from hub.connections.models import Integration
from hub.delivery.inputs import InputError, InputProblem, build_input
from hub.delivery.preview import Preview, preview, read_pasted
from hub.delivery.sources import Envelope
from hub.events.envelopes import envelope_of
from hub.events.models import Event
from hub.lib.html import ago
from hub.mapping.actions import find_action
from hub.mapping.engine import MappingError, map_event

#: Events offered to try a mapping with, and source paths offered while typing.
OFFERED = 30
MAX_PATHS = 400


@require_GET
def sources(request: HttpRequest) -> JsonResponse:
    """The newest events and the integrations that a preview can be made with."""
    mine = organizations_for(request.user)
    events = Event.objects.filter(organization__in=mine).order_by("-id").defer("data", "routing")[:OFFERED]
    integrations = Integration.objects.filter(organization__in=mine)
    return JsonResponse(
        {
            "events": [
                {"id": str(event.pk), "label": f"{event.type} {event.subject}, {ago(event.received_at)}"}
                for event in events
            ],
            "integrations": [
                {"id": str(row.pk), "provider": row.provider_slug, "label": row.name} for row in integrations
            ],
        }
    )


@require_POST
def show(request: HttpRequest) -> JsonResponse:
    """JSON in: target, integration, event or pasted, rules. JSON out: html, problems, paths."""
    try:
        asked = json.loads(request.body)
        envelope = _envelope(request, asked)
    except ValueError as error:
        return _answer(Preview(problems=[InputProblem(str(error))]), None)
    if envelope is None:
        message = "Choose an event, or paste one as JSON."
        return _answer(Preview(problems=[InputProblem(message)]), None)
    return _answer(_preview(request, asked, envelope), envelope)


def _envelope(request: HttpRequest, asked: Any) -> Envelope | None:
    """Return the chosen or pasted event; None where there is none. Raises ValueError with a sentence."""
    if not isinstance(asked, dict):
        raise ValueError("The preview was asked in an unknown way. Reload the page.")
    if asked.get("event"):
        rows = Event.objects.filter(organization__in=organizations_for(request.user))
        chosen = _uuid(asked["event"])
        event = rows.filter(pk=chosen).first() if chosen else None
        return envelope_of(event) if event else None
    text = str(asked.get("pasted") or "").strip()
    if not text:
        return None
    try:
        pasted = json.loads(text)
    except ValueError as error:
        raise ValueError(f"What was pasted is no JSON: {error}.") from None
    return read_pasted(pasted)


def _preview(request: HttpRequest, asked: dict[str, Any], envelope: Envelope) -> Preview:
    rules = asked.get("rules") if isinstance(asked.get("rules"), list) else []
    provider_slug, _, action_name = str(asked.get("target") or "").partition(":")
    mine = Integration.objects.filter(organization__in=organizations_for(request.user))
    chosen = _uuid(asked.get("integration"))
    integration = mine.filter(pk=chosen, provider_slug=provider_slug).first() if chosen else None
    if integration is not None:
        return preview(integration, action_name, rules, envelope)
    action = find_action(provider_slug, action_name)
    try:
        if action is None:
            return Preview(input=map_event(rules or [], envelope.as_dict()))
        data = build_input(action, rules, envelope)
    except MappingError as error:
        return Preview(
            problems=[InputProblem(str(entry), entry.target, entry.rule) for entry in error.problems]
        )
    except InputError as error:
        return Preview(problems=error.problems, hint=error.hint)
    note = "Connect this service to see the request too."
    return Preview(input=data.model_dump(mode="json", by_alias=True, exclude_none=True), notes=[note])


def _answer(made: Preview, envelope: Envelope | None) -> JsonResponse:
    html = render_to_string("mapping/preview.html", {"preview": made, "general": _general(made)})
    problems = [{"rule": entry.rule, "text": entry.message} for entry in made.problems if entry.rule]
    return JsonResponse({"html": html, "problems": problems, "paths": _paths(envelope)})


def _general(made: Preview) -> list[InputProblem]:
    """The problems that stand at no rule."""
    return [entry for entry in made.problems if not entry.rule]


def _paths(envelope: Envelope | None) -> list[str]:
    """Return the source expressions that this event offers."""
    if envelope is None:
        return []
    found = []
    for path in _walk(envelope.as_dict(), ""):
        found.append(path)
        if len(found) == MAX_PATHS:
            break
    return found


def _walk(value: Any, path: str) -> Iterator[str]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            name = (
                key if str(key).replace("_", "").isalnum() and not str(key)[:1].isdigit() else json.dumps(key)
            )
            yield from _walk(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        yield from _walk(value[0], f"{path}[0]")


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
