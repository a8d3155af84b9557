"""Trying a route's pattern and filter on stored events while they are typed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hub.accounts.models import Organization
from hub.events.envelopes import envelope_of
from hub.events.models import Event
from hub.events.routing import filter_problem, matches, pattern_problem
from hub.mapping.expressions import ExpressionError, compile_expression, is_true

#: Newest events whose type is looked at, how many of them the filter is tried on, and how many are shown.
LOOKED_AT, TRIED, SHOWN = 500, 40, 3


@dataclass(slots=True)
class RouteCheck:
    """What came of it: ``typed`` events have the type, ``passed`` of the ``tried`` pass the filter."""

    pattern_problem: str = ""
    filter_problem: str = ""
    filtered: bool = False
    looked_at: int = 0
    typed: int = 0
    tried: int = 0
    passed: int = 0
    shown: list[Event] = field(default_factory=list)
    error: str = ""


def check_route(organizations: Iterable[Organization], pattern: str, text: str) -> RouteCheck:
    """Try ``pattern`` and filter ``text`` on the newest events of ``organizations``; two bounded queries."""
    pattern, text = pattern.strip(), text.strip()
    made = RouteCheck(filtered=bool(text), filter_problem=filter_problem(text))
    made.pattern_problem = pattern_problem(pattern) if pattern else ""
    if not pattern or made.pattern_problem or made.filter_problem:
        return made
    rows = Event.objects.filter(organization__in=organizations).order_by("-id")
    newest = list(rows.values_list("id", "type")[:LOOKED_AT])
    wanted = [pk for pk, kind in newest if matches(pattern, kind)]
    made.looked_at, made.typed = len(newest), len(wanted)
    # Only few events are loaded with their data: one may weigh a megabyte.
    events = Event.objects.filter(pk__in=wanted[: TRIED if text else SHOWN]).order_by("-id")
    _try(made, list(events if text else events.defer("data")), text)
    return made


def _try(made: RouteCheck, events: list[Event], text: str) -> None:
    expression: Any = compile_expression(text) if text else None
    for event in events:
        made.tried += 1
        try:
            if expression is not None and not is_true(expression.search(envelope_of(event).as_dict())):
                continue
        except ExpressionError as error:
            made.error = str(error)
            continue
        made.passed += 1
        if len(made.shown) < SHOWN:
            made.shown.append(event)
    if expression is None:
        made.passed = made.typed
