"""What a deed would set moving, and how long that takes at the limits in force. Reads, changes nothing.

No figure here counts further than ``MOST``: a page must answer at once, however long the queue is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import QueueItem, State

#: Rows that are counted; more than these are "more than".
MOST = 200_000
#: Lengths of a rate limit, in seconds, that have a name.
_PERIODS = {1: "a second", 60: "a minute", 3_600: "an hour", 86_400: "a day"}
_COUNTED = "SELECT {name}, COUNT(*) FROM ({rows}) AS found GROUP BY {name}"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are by the value of one column; ``exact`` is False where there are more."""

    by: Mapping[Any, int]
    exact: bool

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by.values())


@dataclass(frozen=True, slots=True)
class Stop:
    """What one integration would get. ``waiting`` deliveries go before; ``seconds`` is for both.

    ``rate``: (requests, seconds) in force, None where the provider's code is gone. ``held`` says why
    nothing moves there now. A ``fallback`` gets nothing but what the stops before it fail at.
    """

    integration: Integration
    action: str
    deliveries: int
    waiting: int
    rate: tuple[int, int] | None
    held: str
    fallback: bool = False

    @property
    def seconds(self) -> float | None:
        """Seconds until the last one is sent; None where no limit is known."""
        if self.rate is None:
            return None
        count, period = self.rate
        return (self.deliveries + self.waiting) * period / count

    @property
    def limit(self) -> str:
        """The limit in words: ``100 a second``, ``60 a minute``, ``1 in 10 seconds``."""
        if self.rate is None:
            return "unknown"
        count, period = self.rate
        named = _PERIODS.get(period)
        return f"{count:,} {named}" if named else f"{count:,} in {period:,} seconds"

    @property
    def takes(self) -> str:
        """How long it takes, in words."""
        return lasting(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "integration": self.integration.slug,
            "action": self.action,
            "fallback": self.fallback,
            "deliveries": self.deliveries,
            "waiting_before": self.waiting,
            "limit": self.limit,
            "seconds": self.seconds,
            "held": self.held,
        }


def counted(items: QuerySet[QueueItem], column: str = "integration_id", most: int = MOST) -> Counted:
    """Count ``items`` by one of their own columns, up to ``most`` of them, in one statement."""
    field = QueueItem._meta.get_field(column.removesuffix("_id") if column == "integration_id" else column)
    inner = items.order_by().values_list(column)[: most + 1]
    sql, parameters = inner.query.sql_with_params()
    name = connection.ops.quote_name(column)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(name=name, rows=sql), parameters)
        rows = cursor.fetchall()
    by = {(UUID(str(value)) if field.is_relation else value): count for value, count in rows}
    found = Counted(by, exact=True)
    return found if found.total <= most else Counted(by, exact=False)


def stop(integration: Integration, deliveries: int, action: str = "", *, fallback: bool = False) -> Stop:
    """Return what ``deliveries`` more would mean for ``integration``."""
    return Stop(
        integration,
        action,
        deliveries,
        0 if fallback else waiting_at(integration),
        _rate(integration),
        why_held(integration),
        fallback,
    )


def stops(items: QuerySet[QueueItem]) -> tuple[list[Stop], Counted]:
    """Return where ``items`` would go, the most first, and how many there are."""
    found = counted(items)
    known = Integration.objects.in_bulk(list(found.by))
    made = [stop(known[pk], count) for pk, count in found.by.items() if pk in known]
    return sorted(made, key=lambda each: -each.deliveries), found


def waiting_at(integration: Integration) -> int:
    """How many deliveries wait for ``integration`` and are due, ``MOST`` at most."""
    now = timezone.now()
    due = QueueItem.objects.filter(
        integration=integration, state=State.PENDING, claim_order__lte=QueueItem.order(now, 0)
    )
    return due.order_by()[:MOST].count()


def longest(stops: Iterable[Stop]) -> float | None:
    """Seconds until all is sent: integrations work side by side, so the slowest decides."""
    known = [each.seconds for each in stops if not each.fallback and each.seconds is not None]
    return max(known, default=None)


def why_held(integration: Integration) -> str:
    """Return why nothing is sent to ``integration`` now; empty where it moves."""
    now = timezone.now()
    if integration.status == Status.PAUSED:
        return "It is paused: everything waits until somebody resumes it."
    if integration.status == Status.RECONNECT:
        return "It needs reconnecting: everything waits until then."
    if integration.circuit == Circuit.OPEN:
        return f"It failed {integration.failures_lately} times within a minute and is given a rest."
    if integration.blocked_until and integration.blocked_until > now:
        return f"It asked to wait until {timezone.localtime(integration.blocked_until):%H:%M:%S %Z}."
    return ""


_UNITS: Sequence[tuple[float, str]] = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def lasting(seconds: float | None) -> str:
    """Return ``about 20 minutes``: two figures at most, because it is an estimate."""
    if seconds is None:
        return "nobody knows how long"
    if seconds < 1:
        return "less than a second"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    number = seconds / size
    text = f"{number:.1f}".removesuffix(".0") if number < 10 else f"{number:,.0f}"
    return f"about {text} {unit}{'' if text == '1' else 's'}"


def _rate(integration: Integration) -> tuple[int, int] | None:
    try:
        return integration.rate
    except KeyError:
        return None
