"""How the integrations are doing: read from the queue, the figures and the integration log.

Every function takes organizations (a queryset or rows) and answers only about them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Min, Q, QuerySet
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Circuit, Integration, Status
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.lib.sentences import plural
from hub.metrics.figures import Tally, series, tallies, tallies_of_all
from hub.metrics.models import OUTCOMES

#: From best to worst. ``state`` of a Health is one of these.
STATES = ("ok", "unused", "degraded", "paused", "down", "reconnect")
#: Below this share of successful attempts an integration counts as degraded.
DEGRADED_BELOW = 0.95


@dataclass(frozen=True, slots=True)
class Health:
    """One integration now. ``success_rate`` is 0..1 over 24 hours, None without attempts."""

    integration: Integration
    state: str
    sentence: str
    succeeded_24h: int
    failed_24h: int
    queue_depth: int
    in_flight: int
    failed_items: int
    oldest_due: datetime | None

    @property
    def success_rate(self) -> float | None:
        """Share of the delivery attempts of the last 24 hours that the provider accepted."""
        attempts = self.succeeded_24h + self.failed_24h
        return self.succeeded_24h / attempts if attempts else None

    @property
    def success_percent(self) -> str:
        """The success rate for people: ``98.5 %``, or a dash."""
        rate = self.success_rate
        return "–" if rate is None else f"{rate * 100:.1f} %".replace(".0 %", " %")

    def waiting_seconds(self, now: datetime | None = None) -> float:
        """Seconds that the oldest due item is late; 0 where none is."""
        if self.oldest_due is None:
            return 0.0
        return max(0.0, ((now or timezone.now()) - self.oldest_due).total_seconds())


@dataclass(frozen=True, slots=True)
class Hour:
    """Delivery attempts of one hour of UTC; ``start`` is in the present time zone (14:30 in India)."""

    start: datetime
    succeeded: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All attempts of the hour."""
        return self.succeeded + self.failed


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong, newest first in lists."""

    at: datetime
    integration: Integration
    kind: str
    message: str
    hint: str
    log_id: int
    item_id: UUID | None
    source_id: UUID | None


def integration_health(organizations: Iterable[Organization]) -> list[Health]:
    """Return the health of every integration of ``organizations``, in the order of their names."""
    rows = Integration.objects.listed().filter(organization__in=organizations)
    integrations = list(rows.select_related("organization").order_by("name"))
    owners = {integration.organization_id for integration in integrations}
    # By organization: to name hundreds of integrations in every question takes longer than to answer it.
    attempts = tallies_of_all(owners, *_last_day(), OUTCOMES)
    return _judged(integrations, attempts, QueueItem.objects.filter(organization__in=owners))


def health_of(integrations: list[Integration]) -> list[Health]:
    """Return the health of these integrations, in their order: three queries for any number."""
    ids = [integration.pk for integration in integrations]
    # With the organizations, so that the index of the states serves.
    items = QueueItem.objects.filter(
        organization__in={integration.organization_id for integration in integrations}, integration__in=ids
    )
    return _judged(integrations, tallies(ids, *_last_day(), OUTCOMES), items)


def _last_day() -> tuple[datetime, datetime]:
    now = timezone.now()
    return now - timedelta(hours=24), now + timedelta(minutes=1)


def _judged(
    integrations: list[Integration], attempts: Mapping[UUID, Tally], items: QuerySet[QueueItem]
) -> list[Health]:
    waiting = _waiting(items, timezone.now())
    failed = _failed(items)
    return [
        _health(
            integration,
            attempts.get(integration.pk, Tally()),
            waiting.get(integration.pk, {}),
            failed.get(integration.pk, 0),
        )
        for integration in integrations
    ]


def hourly_outcomes(
    organizations: Iterable[Organization], hours: int = 24, *, integration: Integration | None = None
) -> list[Hour]:
    """Return one Hour for each of the last ``hours``, oldest first, the present one included."""
    this_hour = timezone.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=hours - 1)
    found = series(organizations, first, timedelta(hours=1), hours, integration=integration)
    return [
        Hour(timezone.localtime(first + timedelta(hours=number)), tally.succeeded, tally.failed)
        for number, tally in enumerate(found)
    ]


def latest_problems(
    organizations: Iterable[Organization], limit: int = 10, *, integration: Integration | None = None
) -> list[Problem]:
    """Return the newest failures: deliveries, connection tests, token refreshes, state changes."""
    logs = (
        _logs(organizations, integration)
        .exclude(outcome="ok")
        .select_related("integration", "integration__organization")
        .defer("exchanges")
        .order_by("-id")[:limit]
    )
    return [
        Problem(
            log.created_at,
            log.integration,
            log.kind,
            log.message,
            log.hint,
            log.pk,
            log.item_id,
            log.source_id,
        )
        for log in logs
    ]


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """Items of all the organizations together."""

    pending: int
    processing: int
    failed: int


def queue_totals(organizations: Iterable[Organization]) -> QueueTotals:
    """Return how many items wait, are under way, and failed."""
    open_states = (State.PENDING, State.PROCESSING, State.FAILED)
    rows = (
        QueueItem.objects.filter(organization__in=organizations, state__in=open_states)
        .values("state")
        .annotate(count=Count("id"))
        .order_by()
    )
    counts = {row["state"]: row["count"] for row in rows}
    return QueueTotals(*(counts.get(state, 0) for state in open_states))


def _logs(organizations: Iterable[Organization], integration: Integration | None) -> QuerySet[IntegrationLog]:
    rows = IntegrationLog.objects.filter(organization__in=organizations)
    return rows if integration is None else rows.filter(integration=integration)


def _waiting(items: QuerySet[QueueItem], now: datetime) -> dict[UUID, Mapping[str, Any]]:
    rows = (
        items.filter(state__in=(State.PENDING, State.PROCESSING))
        .values("integration_id")
        .annotate(
            pending=Count("id", filter=Q(state=State.PENDING)),
            processing=Count("id", filter=Q(state=State.PROCESSING)),
            oldest=Min(F("due_at"), filter=Q(state=State.PENDING, due_at__lte=now)),
        )
        .order_by()
    )
    return {row["integration_id"]: row for row in rows}


def _failed(items: QuerySet[QueueItem]) -> dict[UUID, int]:
    # Not of the ids: the index alone tells how many rows there are.
    rows = items.filter(state=State.FAILED).values("integration_id").annotate(count=Count("*")).order_by()
    return {row["integration_id"]: row["count"] for row in rows}


def _health(integration: Integration, attempts: Tally, waiting: Mapping[str, Any], failed: int) -> Health:
    succeeded, refused = attempts.succeeded, attempts.failed
    state, sentence = _judge(integration, succeeded, refused)
    if state == "ok" and failed:
        sentence += f" Left to retry or cancel: {plural(failed, 'failed delivery', 'failed deliveries')}."
    return Health(
        integration,
        state,
        sentence,
        succeeded_24h=succeeded,
        failed_24h=refused,
        queue_depth=waiting.get("pending", 0),
        in_flight=waiting.get("processing", 0),
        failed_items=failed,
        oldest_due=waiting.get("oldest"),
    )


def _judge(integration: Integration, succeeded: int, refused: int) -> tuple[str, str]:
    """Return the state and the sentence that explains it."""
    if integration.status == Status.RECONNECT:
        return "reconnect", integration.status_reason or "The credential is refused; reconnect it."
    if integration.status == Status.PAUSED:
        return "paused", integration.status_reason or "Somebody paused it; its queue waits."
    if integration.circuit == Circuit.OPEN:
        return (
            "down",
            f"{integration.failures_lately} failures within a minute; the hub waits before it tries again.",
        )
    if integration.test_ok is False:
        return "degraded", f"The last connection test failed: {integration.test_message}"
    attempts = succeeded + refused
    if attempts and succeeded / attempts < DEGRADED_BELOW:
        return "degraded", f"{refused} of {attempts} attempts failed in the last 24 hours."
    if integration.circuit == Circuit.HALF_OPEN:
        return "degraded", "One delivery tries whether the provider has recovered."
    if not attempts and integration.test_ok is None:
        return "unused", "Nothing was sent or tested yet."
    return "ok", "Deliveries flow." if attempts else "The connection test passed."
