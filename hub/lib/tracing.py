"""OpenTelemetry traces, where they are wanted: from the incoming request to the provider's answer.

Off unless ``HUB_OTEL_ENDPOINT`` is set; then the extra ``interchange[otel]`` must be installed, and is
imported at the first span. Everything here costs a function call while it is off.

An event's trace needs no place in the database: its trace id **is** the event's id (both are 128 bits),
and the id of its first span is made of the same. So a worker, hours later and on another machine, goes
on with the trace that the web process began; whoever knows an event's id finds its trace. A caller's
own ``traceparent`` is continued by the request's span, which the event's trace links to.
"""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol
from uuid import UUID

logger = logging.getLogger(__name__)


class Span(Protocol):
    """What the hub does with a span of OpenTelemetry."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Say something about it."""

    def update_name(self, name: str) -> None:
        """Name it, once that is known."""


Spanning = AbstractContextManager[Span | None]
_NOTHING: Spanning = nullcontext()


def request_span(method: str, traceparent: str) -> Spanning:
    """A request to the hub; goes on with the caller's trace where ``traceparent`` (W3C) names one."""
    telemetry = _telemetry()
    return telemetry.request(method, traceparent) if telemetry else _NOTHING


def event_accepted(event_id: UUID, event_type: str) -> None:
    """Begin the event's own trace, linked to the request that brought it."""
    telemetry = _telemetry()
    if telemetry:
        telemetry.accepted(event_id, event_type)


def delivery_span(event_id: UUID, facts: Any) -> Spanning:
    """An attempt to deliver, in the event's trace; ``facts()`` names what it is about."""
    telemetry = _telemetry()
    return telemetry.delivery(event_id, facts()) if telemetry else _NOTHING


def outbound_span(method: str, url: str) -> Spanning:
    """A request to a provider; only its host is told, for a path may be a secret."""
    telemetry = _telemetry()
    return telemetry.outbound(method, url) if telemetry else _NOTHING


def tracing() -> bool:
    """Whether traces are on."""
    return _telemetry() is not None


@lru_cache(maxsize=1)
def _telemetry() -> Any:
    """Return ``hub.lib.otel.Telemetry``, or None where traces are off or not installed."""
    # Found when they are needed: the sandbox knows providers as well, and runs without Django.
    settings = import_module("django.conf").settings
    if not settings.HUB.otel_endpoint:
        return None
    try:
        return import_module("hub.lib.otel").exporting(settings.HUB.otel_endpoint, settings.HUB.otel_sample)
    except ImportError as error:
        logger.error(
            "HUB_OTEL_ENDPOINT is set, but OpenTelemetry is not installed (%s); there are no traces. "
            "Run: pip install 'interchange[otel]'",
            error,
        )
        return None
