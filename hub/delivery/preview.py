"""What a provider would get for an event: the exact requests, masked, without sending any.

The action itself runs, with the integration's own settings and credential; its requests are
answered in the process from the provider's fixtures and go nowhere. Nothing is saved.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from pydantic import BaseModel

from hub.connections.client import Connection, open_connection
from hub.connections.models import Integration
from hub.connections.renewal import TokenSource
from hub.delivery.inputs import InputError, InputProblem, build_input
from hub.delivery.sources import Envelope
from hub.lib.ids import uuid7
from hub.lib.keyring import KeyringError
from hub.mapping.actions import find_action
from hub.mapping.engine import MappingError, map_event
from integrations.base.errors import IntegrationError
from integrations.base.fixtures import FixtureError, fixture_transport
from integrations.base.http import Exchange, Http
from integrations.base.provider import Action

logger = logging.getLogger(__name__)

#: Stands for the idempotency key, which only a queue item has.
PREVIEW_KEY = "hub_preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen: the action's input, the masked requests, and why not, where it would not.

    The answers in ``requests`` are those of the provider's fixtures, not the provider's. ``notes``
    say where the preview knows less than a delivery.
    """

    input: dict[str, Any] | None = None
    requests: list[Exchange] = field(default_factory=list)
    problems: list[InputProblem] = field(default_factory=list)
    hint: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the event would be sent."""
        return not self.problems


def preview(
    integration: Integration,
    action_name: str,
    rules: Sequence[Mapping[str, Any]] | None,
    envelope: Envelope,
) -> Preview:
    """Run the action for ``envelope`` without sending; never raises for what an admin entered."""
    try:
        action = integration.provider.action(action_name)
    except KeyError as error:
        return _failed(str(error.args[0]), "Choose an action of the integration's provider.")
    try:
        data = build_input(action, rules, envelope)
    except InputError as error:
        return Preview(problems=error.problems, hint=error.hint)
    shown = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    try:
        connection = _offline(integration)
    except (KeyError, KeyringError, FixtureError) as error:
        failed = _failed(f"The integration cannot be used as it is: {error}", "Open it and save it again.")
        return replace(failed, input=shown)
    return replace(_run(action, connection, data, timezone.now()), input=shown)


def preview_rules(
    provider_slug: str, action_name: str, rules: Sequence[Mapping[str, Any]], envelope: Envelope
) -> Preview:
    """Say what ``rules`` make of ``envelope`` where no integration is chosen, so that no request is known."""
    action = find_action(provider_slug, action_name)
    try:
        if action is None:
            note = "Choose what the mapping is made for to see whether it fits."
            return Preview(input=map_event(rules, envelope.as_dict()) if rules else None, notes=[note])
        data = build_input(action, rules, envelope)
    except MappingError as error:
        return Preview(
            problems=[InputProblem(str(entry), entry.target, entry.rule) for entry in error.problems]
        )
    except InputError as error:
        return Preview(problems=error.problems, hint=error.hint)
    note = "Connect a service that can do this to see the request too."
    shown_input = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    return Preview(input=shown_input, notes=[note])


def read_pasted(pasted: Any) -> Envelope:
    """Return the envelope of pasted JSON: an event with ``type`` and ``data``, or data alone.

    Raises ValueError with a sentence where its time is none.
    """
    event = pasted if isinstance(pasted, dict) and "data" in pasted and "type" in pasted else {"data": pasted}
    return Envelope(
        id=uuid7(),
        type=str(event.get("type", "pasted")),
        subject=str(event.get("subject", "")),
        source=str(event.get("source", "")),
        time=_time(event.get("time")),
        data=event["data"],
    )


def _run(action: Action, connection: Connection, data: BaseModel, now: datetime) -> Preview:
    exchanges: list[Exchange] = []
    context = connection.context(PREVIEW_KEY, now=now, exchanges=exchanges)
    try:
        action.run(context, data)
    except IntegrationError as error:
        if exchanges:
            return Preview(requests=exchanges, notes=[_unanswered(error)])
        return Preview(problems=[InputProblem(error.message)], hint=error.hint)
    except Exception as bug:  # a fault in a provider's code is told like any other problem
        logger.exception("The preview of %s failed in our own code", action.name)
        message = f"Interchange's own code failed here ({type(bug).__name__})."
        return Preview(requests=exchanges, problems=[InputProblem(message)], hint="Please report it.")
    return Preview(requests=exchanges)


def _unanswered(error: IntegrationError) -> str:
    return (
        "The requests up to here are exact. The provider's sample answers do not cover what follows "
        f"({error.message})."
    )


def _offline(integration: Integration) -> Connection:
    """Return the integration's connection with nothing behind it: sample answers, no token asked for."""
    connection = open_connection(integration, transport=fixture_transport(integration.provider))
    return replace(connection, tokens=_NoToken() if connection.tokens else None)


class _NoToken(TokenSource):
    """Stands for an access token: a preview must neither ask for one nor save one."""

    def __init__(self) -> None:
        self._shown = "an-access-token-that-is-masked"

    def current(self, http: Http) -> str:
        return self._shown

    def renew(self, refused: str, http: Http) -> bool:
        return False


def _failed(message: str, hint: str) -> Preview:
    return Preview(problems=[InputProblem(message)], hint=hint)


def _time(value: Any) -> datetime:
    if not value:
        return timezone.now()
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"The time {value!r} is none; write it like 2026-01-31T12:00:00Z.") from None
    return moment if moment.tzinfo else timezone.make_aware(moment)
