"""The hub's own alerts: a credential that ends reaches people by the routes, once for each step."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.connections import expiry
from hub.connections.models import Circuit, Credential, Integration, Status
from hub.delivery.models import QueueItem
from hub.delivery.settlement import update_integration
from hub.events.models import Event
from integrations.base.capabilities import IncidentTrigger, IncidentUpdate
from integrations.base.errors import AuthError, IntegrationError, TransientError
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration() -> Integration:
    row: Integration = make.IntegrationFactory(name="Billing", slug="billing")
    pager = make.IntegrationFactory(organization=row.organization, provider_slug="pagerduty")
    make.RouteFactory(
        organization=row.organization, integration=pager, type_pattern="hub.alert", action="incident.trigger"
    )
    return row


def ends_in(row: Integration, **span: float) -> None:
    Credential.objects.filter(integration=row).update(expires_at=timezone.now() + timedelta(**span))


def test_the_end_of_a_credential_is_brought_to_somebody_at_each_step(integration: Integration) -> None:
    for span, severity in (({"days": 20}, "warning"), ({"days": 5}, "warning"), ({"hours": 9}, "error")):
        ends_in(integration, **span)
        expiry.warn_expiring()
        expiry.warn_expiring()
        event = Event.objects.order_by("id").last()
        assert event is not None
        assert (event.type, event.origin, event.data["severity"]) == ("hub.alert", "hub", severity)
    assert Event.objects.count() == 3
    assert QueueItem.objects.filter(action="incident.trigger").count() == 3


def test_it_fits_every_channel_and_leads_to_the_page(integration: Integration, settings: Any) -> None:
    ends_in(integration, days=5)
    expiry.warn_expiring()
    data = Event.objects.get().data
    fitting = IncidentTrigger.model_validate(data)
    assert fitting.summary.startswith("Billing: The credential ends on ")
    assert fitting.dedup_key == f"credential-{integration.pk}"
    assert fitting.details["days"] == 7
    assert fitting.link == (f"{settings.HUB.url}/admin/connections/integration/{integration.pk}/change/")


def test_where_no_route_takes_it_the_event_is_kept() -> None:
    ends_in(make.IntegrationFactory(), days=-1)
    expiry.warn_expiring()
    event = Event.objects.get()
    assert "has ended" in event.data["summary"]
    assert not QueueItem.objects.exists()


def test_a_used_up_quota_keeps_nobody_from_the_next_warning(integration: Integration) -> None:
    type(integration.organization).objects.filter(pk=integration.organization_id).update(events_per_day=0)
    other = make.IntegrationFactory()
    for row in (integration, other):
        ends_in(row, days=5)
    assert expiry.warn_expiring() == 2
    assert Event.objects.get().organization_id == other.organization_id


@dataclass
class Outcome:
    """What came of one request."""

    error: IntegrationError | None
    finished_at: datetime
    wait: float = 0.0


def came(row: Integration, error: IntegrationError | None, times: int = 1) -> Integration:
    """Let so many requests of ``row`` end so; return it as it is then."""
    now = timezone.now()
    update_integration(row.pk, [Outcome(error, now) for _ in range(times)], now)
    row.refresh_from_db()
    return row


def told() -> list[str]:
    return list(Event.objects.order_by("id").values_list("type", flat=True))


def test_a_circuit_is_told_once_when_it_opens_and_once_when_it_closes(integration: Integration) -> None:
    away = TransientError("It does not answer.")
    assert came(integration, away, times=integration.breaker_threshold).circuit == Circuit.OPEN
    assert told() == ["hub.alert"]
    alert = IncidentTrigger.model_validate(Event.objects.get().data)
    assert alert.summary.startswith("Billing: Circuit opened: ")
    assert alert.link.endswith(f"/{integration.pk}/change/")

    # A trial that fails opens it again, and is no news.
    Integration.objects.filter(pk=integration.pk).update(circuit=Circuit.HALF_OPEN)
    assert came(integration, away).circuit == Circuit.OPEN
    assert told() == ["hub.alert"]

    Integration.objects.filter(pk=integration.pk).update(circuit=Circuit.HALF_OPEN)
    assert came(integration, None).circuit == Circuit.CLOSED
    assert told() == ["hub.alert", "hub.alert.resolved"]
    over = IncidentUpdate.model_validate(Event.objects.get(type="hub.alert.resolved").data)
    assert over.dedup_key == alert.dedup_key


def test_a_refused_credential_is_an_error_for_somebody(integration: Integration) -> None:
    assert came(integration, AuthError("The key was refused.")).status == Status.RECONNECT
    event = Event.objects.get()
    assert event.data["severity"] == "error"
    assert "The key was refused." in event.data["summary"]
    assert QueueItem.objects.get().action == "incident.trigger"


def test_who_reconnects_it_gives_the_all_clear(
    integration: Integration, django_capture_on_commit_callbacks: Any
) -> None:
    held = came(integration, AuthError("The key was refused."))
    with django_capture_on_commit_callbacks(execute=True):
        held.record_test(True, "It works.", 12)
    assert told() == ["hub.alert", "hub.alert.resolved"]
    first, last = Event.objects.order_by("id")
    assert last.data["dedup_key"] == first.data["dedup_key"]


def test_who_pauses_and_resumes_one_that_works_tells_nobody(
    integration: Integration, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        integration.pause("Maintenance.")
        integration.resume()
    assert told() == []


def test_a_used_up_quota_holds_up_no_delivery(integration: Integration) -> None:
    type(integration.organization).objects.filter(pk=integration.organization_id).update(events_per_day=0)
    came(integration, AuthError("The key was refused."))
    assert not Event.objects.exists()
