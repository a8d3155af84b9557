"""Which routes want an event. Pure: no database, no clock."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from hub.delivery.enqueue import Target
from hub.mapping.expressions import ExpressionError, compile_expression, is_true

#: What a route decided, as ``Event.routing`` keeps it.
QUEUED, FILTERED, DISABLED, ERROR = "queued", "filtered", "disabled", "error"
_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:/*-]*")


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as intake needs it. ``targets``: its integration first, then the fallbacks in order."""

    id: UUID
    name: str
    enabled: bool
    type_pattern: str
    filter: str
    priority: int
    delay: int
    targets: tuple[Target, ...]
    ordered: bool = False

    def sequence_of(self, subject: str) -> UUID | None:
        """Return what the deliveries to this route about one subject have in common, where order matters.

        None for what names no subject: there is nothing that it could overtake.
        """
        return uuid5(self.id, subject) if self.ordered and subject else None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one route decided about one event, and why."""

    route: RouteView
    outcome: str
    reason: str = ""

    def as_json(self) -> dict[str, str]:
        """The form kept in ``Event.routing``."""
        return {
            "route": str(self.route.id),
            "name": self.route.name,
            "outcome": self.outcome,
            "reason": self.reason,
        }


def decide(routes: Iterable[RouteView], event: Mapping[str, Any]) -> list[Decision]:
    """Return the decision of every route whose pattern takes the event's type, in the order given.

    ``event`` is the envelope as a dict. A filter that fails is an outcome, never an exception.
    """
    return [_decide(route, event) for route in routes if matches(route.type_pattern, event["type"])]


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern takes a type. ``*`` stands for any characters; upper and lower case differ.

    ``order.*`` takes order.paid and order.line.added, but not order; ``*`` takes everything. Several
    patterns stand with commas between them: ``order.*, invoice.paid`` takes what one of them takes.
    """
    if "," in pattern:
        return any(_matches_one(each, event_type) for each in patterns_of(pattern))
    return _matches_one(pattern, event_type)


@lru_cache(maxsize=4096)
def patterns_of(pattern: str) -> tuple[str, ...]:
    """Return the patterns that stand in one, between commas."""
    return tuple(each.strip() for each in pattern.split(",") if each.strip())


def _matches_one(pattern: str, event_type: str) -> bool:
    if "*" not in pattern:
        return pattern == event_type
    first, *middle, last = pattern.split("*")
    if len(event_type) < len(first) + len(last):
        return False
    if not event_type.startswith(first) or not event_type.endswith(last):
        return False
    position, end = len(first), len(event_type) - len(last)
    for part in middle:
        found = event_type.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def pattern_problem(pattern: str) -> str:
    """Return a sentence if ``pattern`` can match no type, else an empty text."""
    each = patterns_of(pattern)
    wrong = next((one for one in each if not _PATTERN.fullmatch(one)), None if each else pattern)
    if wrong is None:
        return ""
    return (
        "A type pattern has letters, digits, dots, dashes and * for anything: order.paid, order.*, "
        f"or * alone, several with commas between them; “{wrong}” has not."
    )


def filter_problem(text: str) -> str:
    """Return a sentence if a route's filter cannot be compiled, else an empty text."""
    if not text.strip():
        return ""
    try:
        compile_expression(text)
    except ExpressionError as error:
        return f"The filter is no valid JMESPath: {error}"
    return ""


def _decide(route: RouteView, event: Mapping[str, Any]) -> Decision:
    if not route.enabled:
        return Decision(route, DISABLED, "The route is switched off.")
    if not route.filter.strip():
        return Decision(route, QUEUED)
    try:
        found = compile_expression(route.filter).search(event)
    except ExpressionError as error:
        return Decision(route, ERROR, f"The filter could not be applied: {error}")
    if is_true(found):
        return Decision(route, QUEUED)
    return Decision(route, FILTERED, f"The filter {route.filter} is not true for this event.")
