"""The blast radius: how many stored events a route matches, where they would go, and for how long.

Asked before a route is switched on or changed, and before events are replayed. Bounded work: types
are found by leaping through an index, events are counted up to ``MOST``, and a filter is tried on
the newest ``TRIED`` of them, from which the rest is estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from hub.connections.models import Integration
from hub.delivery.enqueue import Target
from hub.delivery.load import MOST, Stop, lasting, longest, stop
from hub.events.envelopes import envelope_of
from hub.events.models import Event, Route
from hub.events.routes import routes_of
from hub.events.routing import DISABLED, QUEUED, Decision, decide, filter_problem, matches, pattern_problem
from hub.events.search import stored_types
from hub.lib.ids import first_at
from hub.mapping.expressions import ExpressionError, compile_expression, is_true

#: Events that a filter is tried on.
TRIED = 100
#: Days looked back where nobody says otherwise.
DAYS = 7


@dataclass(frozen=True, slots=True)
class Impact:
    """What a route takes of the events stored within ``days``, and what that means.

    ``exact``: ``matching`` was counted; else it is estimated from ``tried`` events, of which
    ``passed`` fit, or there are more than were counted (``more``). ``stops``: the route's
    integration first, then its fallbacks. ``problem``: why nothing can be said.
    """

    days: int
    matching: int = 0
    exact: bool = True
    more: bool = False
    tried: int = 0
    passed: int = 0
    stops: list[Stop] = field(default_factory=list)
    examples: list[Event] = field(default_factory=list)
    problem: str = ""

    @property
    def a_day(self) -> float:
        """How many such events come on an average day."""
        return self.matching / self.days

    @property
    def seconds(self) -> float | None:
        """Seconds to send all of them again, at the limits in force, behind what waits already."""
        return longest(self.stops)

    @property
    def sentence(self) -> str:
        """The whole in words."""
        if self.problem:
            return self.problem
        span = "24 hours" if self.days == 1 else f"{self.days} days"
        if not self.matching:
            return f"No event stored in the last {span} matches."
        count = f"{'More than' if self.more else 'About' if not self.exact else 'Exactly'} {self.matching:,}"
        events = "stored event matches" if self.matching == 1 else "stored events match"
        often = f", {self.a_day:,.1f} a day" if self.days > 1 else ""
        return f"{count} {events} in the last {span}{often}."

    @property
    def takes(self) -> str:
        """How long sending all of them would take, in words."""
        return lasting(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "days": self.days,
            "matching_events": self.matching,
            "exact": self.exact,
            "events_a_day": round(self.a_day, 2),
            "destinations": [each.as_json() for each in self.stops],
            "seconds": self.seconds,
            "sentence": self.sentence,
        }


def route_impact(route: Route, days: int = DAYS) -> Impact:
    """Return the impact of a route as it is stored, whether it is switched on or not."""
    others = route.fallbacks.order_by("position", "pk").values_list("integration_id", "action", "mapping_id")
    targets = [
        Target(route.integration_id, route.action, route.mapping_id),
        *(Target(*row) for row in others),
    ]
    return impact(route.organization_id, route.type_pattern, route.filter, targets, days)


def impact(
    organization_id: int, pattern: str, text: str, targets: Sequence[Target], days: int = DAYS
) -> Impact:
    """Return what a route with this pattern, filter and way would take of what is stored.

    ``targets``: of integrations of that organization; any other is left out.
    """
    pattern, text = pattern.strip(), text.strip()
    if problem := pattern_problem(pattern) or filter_problem(text):
        return Impact(days, problem=problem)
    since = timezone.now() - timedelta(days=days)
    found = _of_types(organization_id, pattern, since)
    total = sum(rows.order_by()[: MOST + 1].count() for rows in found)
    sample = _newest(found, TRIED if text else 3, with_data=bool(text))
    passed = [event for event in sample if _passes(event, text)]
    whole = not text or total <= len(sample)
    matching = total if not text else len(passed) if whole else round(total * len(passed) / len(sample))
    return Impact(
        days,
        min(matching, MOST),
        exact=whole and total <= MOST,
        more=total > MOST and matching >= MOST,
        tried=len(sample) if text else 0,
        passed=len(passed) if text else 0,
        stops=_stops(organization_id, targets, min(matching, MOST)),
        examples=passed[:3],
    )


@dataclass(frozen=True, slots=True)
class Again:
    """What replaying one event does: each route's decision, and where it would go."""

    decisions: list[Decision]
    stops: list[Stop]

    @property
    def deliveries(self) -> int:
        """How many deliveries would be made."""
        return sum(decision.outcome == QUEUED for decision in self.decisions)

    @property
    def takes(self) -> str:
        """How long it takes at the limits in force, behind what waits already."""
        return lasting(longest(self.stops))


def replay_impact(event: Event) -> Again:
    """Return what the routes of today would do with a stored event."""
    found = decide(routes_of(event.organization_id), envelope_of(event).as_dict())
    made = []
    for decision in found:
        if decision.outcome == QUEUED:
            made += _stops(event.organization_id, decision.route.targets, 1)
    return Again([each for each in found if each.outcome != DISABLED], made)


def _of_types(organization_id: int, pattern: str, since: datetime) -> list[QuerySet[Event]]:
    """Return the events since then of each type that the pattern takes, newest first."""
    rows = Event.objects.filter(organization_id=organization_id, pk__gte=first_at(since)).order_by("-id")
    types = [pattern] if "*" not in pattern else stored_types(organization_id)
    return [rows.filter(type=kind) for kind in types if matches(pattern, kind)]


def _newest(found: Sequence[QuerySet[Event]], most: int, *, with_data: bool) -> list[Event]:
    ids = sorted((pk for rows in found for pk in rows.values_list("pk", flat=True)[:most]), reverse=True)
    rows = Event.objects.filter(pk__in=ids[:most]).order_by("-id")
    return list(rows if with_data else rows.defer("data"))


def _passes(event: Event, text: str) -> bool:
    if not text:
        return True
    try:
        return is_true(compile_expression(text).search(envelope_of(event).as_dict()))
    except ExpressionError:
        return False


def _stops(organization_id: int, targets: Sequence[Target], deliveries: int) -> list[Stop]:
    rows = Integration.objects.filter(organization_id=organization_id)
    known = rows.in_bulk([target.integration_id for target in targets])
    return [
        stop(known[target.integration_id], 0 if number else deliveries, target.action, fallback=bool(number))
        for number, target in enumerate(targets)
        if target.integration_id in known
    ]
