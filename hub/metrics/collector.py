"""What Prometheus reads, from the database at every scrape: the same on every machine.

Gauges tell the moment; counters and the histogram are the totals that the rollups keep, some seconds
behind, so that they never fall. Labels name organization, integration and provider and, where said, a
word from a fixed list: never an event type, a subject or an error's text. So there are at most
``PER_INTEGRATION`` series per integration.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.quotas import standings
from hub.connections.models import Circuit, Integration, Status
from hub.delivery import beats
from hub.delivery.models import IntegrationLog
from hub.metrics import histogram, storage
from hub.metrics.models import COUNTERS, OUTCOMES, RollupCursor, TotalFigures
from hub.metrics.prometheus import Family, joined, labels
from hub.metrics.stats import Health, integration_health

LABELS = ("organization", "integration", "provider")
#: Bound of the series that one integration can have; a test holds it.
PER_INTEGRATION = 50
WEBHOOKS = {
    "accepted": "webhooks_accepted",
    "repeated": "webhooks_repeated",
    "refused": "webhooks_refused",
}
BOUNDS = [labels(le=bound) for bound in (*(str(bound / 1000) for bound in histogram.BOUNDS), "+Inf")]
#: Columns of the totals.
COLUMNS = (*COUNTERS, "rate_held_ms")
_NOTHING: Mapping[str, int] = dict.fromkeys(COLUMNS, 0)
#: Integrations, each with its labels: as it is, and the totals of its columns.
Standing = Sequence[tuple[Health, str]]
Counted = Sequence[tuple[Mapping[str, int], str]]


def exposition(organizations: Iterable[Organization]) -> bytes:
    """Return the metrics of ``organizations`` in Prometheus' text format."""
    return "".join(family.text() for family in families(list(organizations))).encode()


def families(organizations: Sequence[Organization]) -> Iterator[Family]:
    """Yield every metric of the organizations given once."""
    health = [(entry, _labels(entry.integration)) for entry in integration_health(organizations)]
    figures = _totals([entry.integration.pk for entry, _ in health])
    counted = [(figures.get(entry.integration.pk, _NOTHING), named) for entry, named in health]
    yield _queue(health)
    yield _attempts_of_the_day(health)
    yield from _state(health, timezone.now())
    yield from _counters(counted)
    yield _latency(counted)
    yield _integrations(organizations)
    yield _quotas(organizations)
    yield _rollup_lag()
    yield _workers()
    yield _storage()


def _totals(integrations: Sequence[UUID]) -> dict[UUID, Mapping[str, int]]:
    rows = TotalFigures.objects.filter(integration__in=integrations)
    return {row["integration_id"]: row for row in rows.values("integration_id", *COLUMNS)}


def _queue(health: Standing) -> Family:
    family = Family("interchange_queue_items", "gauge", "Queue items that are not finished, and failed ones")
    pending, processing, failed = _each("state", ("pending", "processing", "failed"))
    for entry, named in health:
        family.add(joined(named, pending), entry.queue_depth)
        family.add(joined(named, processing), entry.in_flight)
        family.add(joined(named, failed), entry.failed_items)
    return family


def _attempts_of_the_day(health: Standing) -> Family:
    family = Family("interchange_delivery_attempts_24h", "gauge", "Delivery attempts of the last 24 hours")
    ok, failed = _each("outcome", ("ok", "failed"))
    for entry, named in health:
        family.add(joined(named, ok), entry.succeeded_24h)
        family.add(joined(named, failed), entry.failed_24h)
    return family


def _state(health: Standing, now: datetime) -> Iterator[Family]:
    late = Family("interchange_queue_oldest_due_seconds", "gauge", "How late the oldest due item is")
    up = Family("interchange_integration_up", "gauge", "1: deliveries may flow; 0: held")
    opened = Family("interchange_integration_circuit_open", "gauge", "1: the circuit breaker is open")
    circuit = Family("interchange_integration_circuit_state", "gauge", "1 for the breaker's present state")
    blocked = Family(
        "interchange_integration_rate_wait_seconds", "gauge", "How long the provider asked to wait yet"
    )
    tested = Family("interchange_integration_test_ok", "gauge", "1: the last connection test passed")
    circuits = list(zip(Circuit.values, _each("state", Circuit.values), strict=True))
    for entry, named in health:
        integration = entry.integration
        late.add(named, entry.waiting_seconds(now))
        up.add(named, int(integration.status == Status.ACTIVE))
        opened.add(named, int(integration.circuit == Circuit.OPEN))
        for state, label in circuits:
            circuit.add(joined(named, label), int(integration.circuit == state))
        blocked.add(named, _seconds_until(integration.blocked_until, now))
        if integration.test_ok is not None:
            tested.add(named, int(integration.test_ok))
    yield from (late, up, opened, circuit, blocked, tested)


def _counters(counted: Counted) -> Iterator[Family]:
    attempts = Family("interchange_delivery_attempts", "counter", "Delivery attempts")
    failed = Family("interchange_delivery_items_failed", "counter", "Queue items that failed for good")
    waits = Family(
        "interchange_delivery_rate_waits", "counter", "Attempts that the provider answered with its limit"
    )
    held = Family(
        "interchange_delivery_rate_held_seconds",
        "counter",
        "Seconds in which deliveries were due and the limit in force had no permit, summed over the workers",
    )
    expiries = Family("interchange_delivery_lease_expiries", "counter", "Deliveries whose worker was gone")
    webhooks = Family("interchange_webhooks", "counter", "Calls to webhook endpoints")
    outcomes = list(zip(OUTCOMES, _each("outcome", OUTCOMES), strict=True))
    calls = list(zip(WEBHOOKS.values(), _each("outcome", WEBHOOKS), strict=True))
    for row, named in counted:
        for column, label in outcomes:
            attempts.add(joined(named, label), row[column])
        failed.add(named, row["failed_items"])
        waits.add(named, row["rate_limited"])
        held.add(named, row["rate_held_ms"] / 1000)
        expiries.add(named, row["lost"])
        for column, label in calls:
            webhooks.add(joined(named, label), row[column])
    yield from (attempts, failed, waits, held, expiries, webhooks)


def _latency(counted: Counted) -> Family:
    family = Family("interchange_delivery_duration_seconds", "histogram", "How long delivery attempts took")
    for row, named in counted:
        counts = [row[column] for column in histogram.COLUMNS]
        family.add_histogram(named, BOUNDS, counts, row["duration_ms"] / 1000)
    return family


def _integrations(organizations: Sequence[Organization]) -> Family:
    family = Family("interchange_integrations", "gauge", "Integrations by status")
    rows = (
        Integration.objects.filter(organization__in=organizations)
        .values_list("organization__slug", "status")
        .annotate(count=Count("id"))
        .order_by()
    )
    for organization, status, count in rows:
        family.add(labels(organization=organization, status=status), count)
    return family


def _quotas(organizations: Sequence[Organization]) -> Family:
    family = Family(
        "interchange_organization_quota_used_ratio",
        "gauge",
        "Share of an organization's quota of events that is used up",
    )
    for organization in organizations:
        for each in standings(organization, timezone.now()):
            named = labels(organization=organization.slug, period=each.quota.period.value)
            family.add(named, each.percent / 100)
    return family


def _rollup_lag() -> Family:
    """Return how far the counters are behind: they stand still where no scheduler runs."""
    family = Family("interchange_rollup_lag_seconds", "gauge", "Age of the oldest log row not counted yet")
    cursor = RollupCursor.objects.filter(name="log").first()
    rows = IntegrationLog.objects.filter(pk__gt=cursor.last_id if cursor else 0).order_by("pk")
    oldest = rows.values_list("created_at", flat=True).first()
    family.add("", 0 if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds()))
    return family


def _workers() -> Family:
    """Return how many workers get round their loop; of the whole hub, whoever asks."""
    family = Family("interchange_workers", "gauge", "Worker processes with a recent sign of life")
    family.add("", beats.alive().count())
    return family


def _storage() -> Family:
    """Return how much the database keeps; of the whole hub, whoever asks."""
    family = Family("interchange_storage_bytes", "gauge", "Size of tables and indexes")
    for part, size in storage.sizes().items():
        family.add(labels(part=part), size)
    return family


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds()) if moment else 0.0


def _each(name: str, values: Iterable[str]) -> list[str]:
    """Return the label ``name`` with each of ``values``."""
    return [labels(**{name: value}) for value in values]


def _labels(integration: Integration) -> str:
    return labels(
        integration=integration.slug,
        organization=integration.organization.slug,
        provider=integration.provider_slug,
    )
