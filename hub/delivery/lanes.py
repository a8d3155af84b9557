"""Lanes: what one worker holds of each integration, how soon that is answered, and whose turn it is."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from operator import itemgetter
from uuid import UUID

from hub.connections.client import Connection
from hub.connections.models import Integration
from hub.delivery.attempt import Work
from hub.delivery.slots import Slots

#: Seconds after which an answer is late.
LATE = 0.5


class Pace(Enum):
    """How soon an integration answers."""

    #: Nothing was answered yet, and nothing is late.
    NEW = "new"
    QUICK = "quick"
    #: It takes longer than ``LATE``, or half of what is under way does.
    SLOW = "slow"


@dataclass(slots=True, eq=False)
class Send:
    """A thread that sends a lane's items; ``began``: when the present one began, monotonic."""

    lane: "Lane"
    began: float


@dataclass(slots=True, eq=False)
class Lane:
    """One integration's claimed items in this worker."""

    integration: Integration
    connection: Connection
    #: What the connection was made of; another stamp means that somebody changed the integration.
    stamp: object
    waiting: deque[Work] = field(default_factory=deque)
    #: Threads that send for it; only the coordinator adds and removes.
    sends: set[Send] = field(default_factory=set)
    #: Seconds that the quickest of the latest answers took: how slow the provider is, not this machine.
    latency: float = float("inf")
    #: When something was claimed for it last, monotonic.
    claimed_at: float = 0.0
    #: How many of its deliveries may be under way in this worker.
    slots: Slots = field(default_factory=Slots)

    @property
    def running(self) -> int:
        """How many of its deliveries are under way."""
        return len(self.sends)

    @property
    def backlog(self) -> int:
        """How many items wait for a thread."""
        return len(self.waiting)

    def late(self, now: float) -> int:
        """How many of those have no answer for longer than ``LATE``; ``now`` is monotonic."""
        return sum(now - send.began > LATE for send in self.sends) if self.sends else 0

    def pace(self, now: float) -> Pace:
        """How soon it answers, as far as is known."""
        late = self.late(now)
        if self.latency == float("inf"):
            return Pace.SLOW if late else Pace.NEW
        return Pace.SLOW if self.latency > LATE or 2 * late > len(self.sends) else Pace.QUICK


class Threads:
    """How many threads may be started, for one turn of the coordinator.

    Threads that wait for a slow provider cost next to nothing, so they do not count as those of the
    others: ``spare`` more are there for them. So however many are slow, the quick ones go on.
    """

    def __init__(self, lanes: Iterable[Lane], *, threads: int, spare: int):
        """``threads``: for those who answer soon; ``spare``: for the others."""
        now = time.monotonic()
        running = aside = 0
        self.paces: dict[UUID, Pace] = {}
        for lane in lanes:
            if lane.sends or lane.waiting:
                pace = self.paces[lane.integration.pk] = lane.pace(now)
                running += len(lane.sends)
                aside += len(lane.sends) if pace == Pace.SLOW else lane.late(now)
        self.spare = spare - aside
        self.free = threads - running + min(aside, spare)

    def started(self, lane: Lane) -> None:
        """One more sends for ``lane``."""
        if self.paces[lane.integration.pk] == Pace.SLOW:
            self.spare -= 1
        else:
            self.free -= 1


def in_turns(integrations: Iterable[Integration], lanes: Mapping[UUID, Lane]) -> list[Integration]:
    """Return them in the order in which they may claim: who waited longest first, organizations in turns.

    First the one of each organization that waited longest, then the second of each, and so on: an
    organization with a thousand integrations has no more turns than one with a single one.
    """
    waited = []
    latest: dict[int, float] = {}
    for integration in integrations:
        lane = lanes.get(integration.pk)
        claimed_at = lane.claimed_at if lane else 0.0
        waited.append((claimed_at, integration))
        organization = integration.organization_id
        latest[organization] = max(latest.get(organization, 0.0), claimed_at)
    waited.sort(key=itemgetter(0))
    ranks: Counter[int] = Counter()
    found = []
    for _, integration in waited:
        organization = integration.organization_id
        found.append(((ranks[organization], latest[organization]), integration))
        ranks[organization] += 1
    return [integration for _, integration in sorted(found, key=itemgetter(0))]
