"""What Prometheus reads: right numbers, counters that never fall, a bounded number of series."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from hub.connections.models import Circuit, Integration, Status
from hub.delivery import beats
from hub.delivery.models import IntegrationLog, State
from hub.delivery.signals import rate_limits_waited
from hub.delivery.waits import Waits
from hub.events.intake import Draft, accept_events
from hub.metrics import collector, rollup
from hub.metrics.models import HourFigures
from tests.factories import (
    IntegrationFactory,
    IntegrationLogFactory,
    OrganizationFactory,
    QueueItemFactory,
    ReceivedWebhookFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration() -> Integration:
    return IntegrationFactory(slug="mine")


def samples(integrations: Iterable[Integration]) -> dict[tuple[str, str], float]:
    """Scrape; return the values by (name, the label beside the usual three)."""
    text = collector.exposition([integration.organization for integration in integrations]).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            extra = [value for name, value in sample.labels.items() if name not in collector.LABELS]
            found[sample.name, "".join(extra)] = sample.value
    return found


def test_tells_the_moment(integration: Integration) -> None:
    now = timezone.now()
    QueueItemFactory(integration=integration, due_at=now - timedelta(minutes=2))
    QueueItemFactory(integration=integration, state=State.FAILED)
    Integration.objects.update(
        circuit=Circuit.HALF_OPEN,
        status=Status.PAUSED,
        blocked_until=now + timedelta(minutes=1),
        test_ok=True,
    )

    found = samples([integration])

    assert found["interchange_queue_items", "pending"] == 1
    assert found["interchange_queue_items", "failed"] == 1
    assert found["interchange_queue_oldest_due_seconds", ""] == pytest.approx(120, abs=10)
    assert found["interchange_integration_up", ""] == 0
    assert found["interchange_integration_circuit_open", ""] == 0
    assert [found["interchange_integration_circuit_state", state] for state in Circuit.values] == [0, 0, 1]
    assert found["interchange_integration_rate_wait_seconds", ""] == pytest.approx(60, abs=10)
    assert found["interchange_integration_test_ok", ""] == 1


def test_tells_how_many_workers_are_alive(integration: Integration) -> None:
    assert samples([integration])["interchange_workers", ""] == 0
    beats.Pulse("worker-1", lambda: 0).turn()
    assert samples([integration])["interchange_workers", ""] == 1


def test_counts_attempts_by_outcome_and_how_long_they_took(integration: Integration) -> None:
    IntegrationLogFactory.create_batch(3, integration=integration, duration_ms=40)
    IntegrationLogFactory(integration=integration, outcome="rate_limited", duration_ms=300)
    IntegrationLogFactory(integration=integration, outcome="lease_expired")
    endpoint = WebhookEndpointFactory(integration=integration)
    ReceivedWebhookFactory(endpoint=endpoint, state="refused")
    rate_limits_waited.send(Waits, waited={integration: 2500})
    rollup.roll_up()

    found = samples([integration])

    assert found["interchange_delivery_attempts_total", "ok"] == 3
    assert found["interchange_delivery_rate_waits_total", ""] == 1
    assert found["interchange_delivery_rate_held_seconds_total", ""] == 2.5
    assert found["interchange_delivery_lease_expiries_total", ""] == 1
    assert found["interchange_webhooks_total", "refused"] == 1
    assert found["interchange_delivery_duration_seconds_bucket", "0.02"] == 0
    assert found["interchange_delivery_duration_seconds_bucket", "0.05"] == 3
    assert found["interchange_delivery_duration_seconds_bucket", "+Inf"] == 4
    assert found["interchange_delivery_duration_seconds_count", ""] == 4
    assert found["interchange_delivery_duration_seconds_sum", ""] == pytest.approx(0.42)


def test_counters_never_fall(integration: Integration) -> None:
    """Whatever retention removes: a counter that falls looks like a restart, and makes false rates."""
    name = ("interchange_delivery_attempts_total", "ok")
    seen = [samples([integration])[name]]
    for _ in range(3):
        IntegrationLogFactory(integration=integration)
        seen.append(samples([integration])[name])
        rollup.roll_up()
        seen.append(samples([integration])[name])
        HourFigures.objects.all().delete()
        IntegrationLog.objects.all().delete()

    assert seen == sorted(seen)
    assert seen[-1] == 3


def test_says_when_nobody_counts(integration: Integration) -> None:
    assert samples([integration])["interchange_rollup_lag_seconds", ""] == 0
    IntegrationLogFactory(integration=integration, created_at=timezone.now() - timedelta(minutes=10))
    assert samples([integration])["interchange_rollup_lag_seconds", ""] == pytest.approx(600, abs=10)

    rollup.roll_up()

    assert samples([integration])["interchange_rollup_lag_seconds", ""] == 0


def test_the_number_of_series_is_bounded(integration: Integration) -> None:
    for number in range(30):
        outcome, label = f"strange-{number}", f"type.{number}"
        IntegrationLogFactory(integration=integration, outcome=outcome, message=outcome)
        QueueItemFactory(integration=integration, label=label, subject=label)
    rollup.roll_up()

    lines = collector.exposition([integration.organization]).decode().splitlines()
    own = [line for line in lines if 'integration="mine"' in line]

    assert 0 < len(own) <= collector.PER_INTEGRATION
    assert not any("strange-" in line or "type." in line for line in lines)


def test_tells_how_much_the_database_keeps(integration: Integration) -> None:
    found = {part: size for (name, part), size in samples([integration]).items() if "storage" in name}
    one_file = connection.vendor == "sqlite"
    assert set(found) == ({"all"} if one_file else {"events", "queue", "log", "webhooks", "other"})
    assert min(found.values()) > 0


def test_how_much_of_a_quota_is_used_is_told() -> None:
    limited = OrganizationFactory(slug="limited", events_per_day=4)
    free = OrganizationFactory(slug="free")
    accept_events(limited, [Draft("order.paid")] * 3)
    text = collector.exposition([limited, free]).decode()
    name = "interchange_organization_quota_used_ratio"
    assert f'{name}{{organization="limited",period="day"}} 0.75' in text
    assert f'{name}{{organization="free"' not in text
