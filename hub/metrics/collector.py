"""What Prometheus reads, computed from the database at every scrape: right on every machine."""

from collections.abc import Iterable, Iterator

from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from hub.accounts.models import Organization
from hub.connections.models import Circuit, Integration, Status
from hub.metrics.stats import Health, integration_health

LABELS = ("organization", "integration", "provider")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(organizations: Iterable[Organization]) -> bytes:
    """Return the metrics of ``organizations`` in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(organizations))
    return generate_latest(registry)


class HubCollector(Collector):
    """Gauges per integration, of the organizations given."""

    def __init__(self, organizations: Iterable[Organization]):
        self.organizations = organizations

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every family once."""
        health = integration_health(self.organizations)
        yield self._queue(health)
        yield self._attempts(health)
        yield from self._plain(health)
        yield self._counts()

    def _queue(self, health: list[Health]) -> GaugeMetricFamily:
        family = _gauge(
            "interchange_queue_items", "Queue items that are not finished, and failed ones", "state"
        )
        for entry in health:
            for state, count in (
                ("pending", entry.queue_depth),
                ("processing", entry.in_flight),
                ("failed", entry.failed_items),
            ):
                family.add_metric([*_labels(entry.integration), state], count)
        return family

    def _attempts(self, health: list[Health]) -> GaugeMetricFamily:
        family = _gauge(
            "interchange_delivery_attempts_24h", "Delivery attempts of the last 24 hours", "outcome"
        )
        for entry in health:
            family.add_metric([*_labels(entry.integration), "ok"], entry.succeeded_24h)
            family.add_metric([*_labels(entry.integration), "failed"], entry.failed_24h)
        return family

    def _plain(self, health: list[Health]) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        late = _gauge("interchange_queue_oldest_due_seconds", "How late the oldest due item is")
        up = _gauge("interchange_integration_up", "1: deliveries may flow; 0: held")
        breaker = _gauge("interchange_integration_circuit_open", "1: the circuit breaker is open")
        tested = _gauge("interchange_integration_test_ok", "1: the last connection test passed")
        for entry in health:
            labels = _labels(entry.integration)
            late.add_metric(labels, entry.waiting_seconds(now))
            up.add_metric(labels, float(entry.integration.status == Status.ACTIVE))
            breaker.add_metric(labels, float(entry.integration.circuit == Circuit.OPEN))
            if entry.integration.test_ok is not None:
                tested.add_metric(labels, float(entry.integration.test_ok))
        yield from (late, up, breaker, tested)

    def _counts(self) -> GaugeMetricFamily:
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


def _gauge(name: str, documentation: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=[*LABELS, *more])


def _labels(integration: Integration) -> list[str]:
    return [integration.organization.slug, integration.slug, integration.provider_slug]
