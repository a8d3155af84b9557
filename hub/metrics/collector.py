"""What Prometheus reads, from the database at every scrape: the same on every machine.

Gauges tell the moment; counters and the histogram are the totals that the rollups keep, some seconds
behind, so that they never fall. Labels name organization, integration and provider and, where said, a
word from a fixed list: never an event type, a subject or an error's text. So there are at most
``PER_INTEGRATION`` series per integration.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from hub.accounts.models import Organization
from hub.accounts.quotas import standings
from hub.connections.models import Circuit, Integration, Status
from hub.delivery import beats
from hub.delivery.models import IntegrationLog
from hub.metrics import histogram, storage
from hub.metrics.models import OUTCOMES, RollupCursor, TotalFigures
from hub.metrics.stats import Health, integration_health

LABELS = ("organization", "integration", "provider")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Bound of the series that one integration can have; a test holds it.
PER_INTEGRATION = 50
WEBHOOKS = {
    "accepted": "webhooks_accepted",
    "repeated": "webhooks_repeated",
    "refused": "webhooks_refused",
}


def exposition(organizations: Iterable[Organization]) -> bytes:
    """Return the metrics of ``organizations`` in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(organizations))
    return generate_latest(registry)


class HubCollector(Collector):
    """The metrics of the organizations given, by integration."""

    def __init__(self, organizations: Iterable[Organization]):
        self.organizations = organizations

    def collect(self) -> Iterator[Metric]:
        """Yield every family once."""
        health = integration_health(self.organizations)
        ids = [entry.integration.pk for entry in health]
        figures = {row.integration_id: row for row in TotalFigures.objects.filter(integration__in=ids)}
        yield _queue(health)
        yield _attempts_of_the_day(health)
        yield from _state(health, timezone.now())
        yield from _counters(health, figures)
        yield _latency(health, figures)
        yield self._integrations()
        yield self._quotas()
        yield _rollup_lag()
        yield _workers()
        yield _storage()

    def _integrations(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "interchange_integrations", "Integrations by status", labels=["organization", "status"]
        )
        rows = (
            Integration.objects.filter(organization__in=self.organizations)
            .values_list("organization__slug", "status")
            .annotate(count=Count("id"))
            .order_by()
        )
        for organization, status, count in rows:
            family.add_metric([organization, status], count)
        return family

    def _quotas(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "interchange_organization_quota_used_ratio",
            "Share of an organization's quota of events that is used up",
            labels=["organization", "period"],
        )
        for organization in self.organizations:
            for each in standings(organization, timezone.now()):
                family.add_metric([organization.slug, each.quota.period.value], each.percent / 100)
        return family


def _queue(health: Sequence[Health]) -> GaugeMetricFamily:
    family = _gauge("interchange_queue_items", "Queue items that are not finished, and failed ones", "state")
    for entry in health:
        for state, count in (
            ("pending", entry.queue_depth),
            ("processing", entry.in_flight),
            ("failed", entry.failed_items),
        ):
            family.add_metric([*_labels(entry.integration), state], count)
    return family


def _attempts_of_the_day(health: Sequence[Health]) -> GaugeMetricFamily:
    family = _gauge("interchange_delivery_attempts_24h", "Delivery attempts of the last 24 hours", "outcome")
    for entry in health:
        family.add_metric([*_labels(entry.integration), "ok"], entry.succeeded_24h)
        family.add_metric([*_labels(entry.integration), "failed"], entry.failed_24h)
    return family


def _state(health: Sequence[Health], now: datetime) -> Iterator[GaugeMetricFamily]:
    late = _gauge("interchange_queue_oldest_due_seconds", "How late the oldest due item is")
    up = _gauge("interchange_integration_up", "1: deliveries may flow; 0: held")
    opened = _gauge("interchange_integration_circuit_open", "1: the circuit breaker is open")
    circuit = _gauge("interchange_integration_circuit_state", "1 for the breaker's present state", "state")
    blocked = _gauge("interchange_integration_rate_wait_seconds", "How long the provider asked to wait yet")
    tested = _gauge("interchange_integration_test_ok", "1: the last connection test passed")
    for entry in health:
        integration, labels = entry.integration, _labels(entry.integration)
        late.add_metric(labels, entry.waiting_seconds(now))
        up.add_metric(labels, float(integration.status == Status.ACTIVE))
        opened.add_metric(labels, float(integration.circuit == Circuit.OPEN))
        for state in Circuit.values:
            circuit.add_metric([*labels, state], float(integration.circuit == state))
        blocked.add_metric(labels, _seconds_until(integration.blocked_until, now))
        if integration.test_ok is not None:
            tested.add_metric(labels, float(integration.test_ok))
    yield from (late, up, opened, circuit, blocked, tested)


def _counters(health: Sequence[Health], figures: dict[UUID, TotalFigures]) -> Iterator[CounterMetricFamily]:
    attempts = _counter("interchange_delivery_attempts", "Delivery attempts", "outcome")
    failed = _counter("interchange_delivery_items_failed", "Queue items that failed for good")
    waits = _counter("interchange_delivery_rate_waits", "Attempts that the provider answered with its limit")
    held = _counter(
        "interchange_delivery_rate_held_seconds",
        "Seconds in which deliveries were due and the limit in force had no permit, summed over the workers",
    )
    expiries = _counter("interchange_delivery_lease_expiries", "Deliveries whose worker was gone")
    webhooks = _counter("interchange_webhooks", "Calls to webhook endpoints", "outcome")
    for entry in health:
        labels = _labels(entry.integration)
        row = figures.get(entry.integration.pk) or TotalFigures()
        for outcome in OUTCOMES:
            attempts.add_metric([*labels, outcome], getattr(row, outcome))
        failed.add_metric(labels, row.failed_items)
        waits.add_metric(labels, row.rate_limited)
        held.add_metric(labels, row.rate_held_ms / 1000)
        expiries.add_metric(labels, row.lost)
        for outcome, column in WEBHOOKS.items():
            webhooks.add_metric([*labels, outcome], getattr(row, column))
    yield from (attempts, failed, waits, held, expiries, webhooks)


def _latency(health: Sequence[Health], figures: dict[UUID, TotalFigures]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "interchange_delivery_duration_seconds", "How long delivery attempts took", labels=LABELS
    )
    for entry in health:
        row = figures.get(entry.integration.pk) or TotalFigures()
        family.add_metric(_labels(entry.integration), _buckets(row), row.duration_ms / 1000)
    return family


def _buckets(row: TotalFigures) -> list[tuple[str, float]]:
    """Return (upper bound in seconds, how many took that long at most), as Prometheus wants them."""
    bounds = [*(str(bound / 1000) for bound in histogram.BOUNDS), "+Inf"]
    buckets, below = [], 0
    for bound, column in zip(bounds, histogram.COLUMNS, strict=True):
        below += getattr(row, column)
        buckets.append((bound, float(below)))
    return buckets


def _rollup_lag() -> GaugeMetricFamily:
    """Return how far the counters are behind: they stand still where no scheduler runs."""
    family = GaugeMetricFamily("interchange_rollup_lag_seconds", "Age of the oldest log row not counted yet")
    cursor = RollupCursor.objects.filter(name="log").first()
    rows = IntegrationLog.objects.filter(pk__gt=cursor.last_id if cursor else 0).order_by("pk")
    oldest = rows.values_list("created_at", flat=True).first()
    family.add_metric([], 0.0 if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds()))
    return family


def _workers() -> GaugeMetricFamily:
    """Return how many workers get round their loop; of the whole hub, whoever asks."""
    family = GaugeMetricFamily("interchange_workers", "Worker processes with a recent sign of life")
    family.add_metric([], beats.alive().count())
    return family


def _storage() -> GaugeMetricFamily:
    """Return how much the database keeps; of the whole hub, whoever asks."""
    family = GaugeMetricFamily("interchange_storage_bytes", "Size of tables and indexes", labels=["part"])
    for part, size in storage.sizes().items():
        family.add_metric([part], size)
    return family


def _seconds_until(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds()) if moment else 0.0


def _gauge(name: str, documentation: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=[*LABELS, *more])


def _counter(name: str, documentation: str, *more: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, documentation, labels=[*LABELS, *more])


def _labels(integration: Integration) -> list[str]:
    return [integration.organization.slug, integration.slug, integration.provider_slug]
