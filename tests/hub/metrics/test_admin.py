"""The reports' pages: what a day was like, for members of the organization only."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Organization, Role
from hub.connections.models import Status
from hub.metrics import report
from hub.metrics.models import HealthReport
from tests.factories import (
    HealthReportFactory,
    IntegrationFactory,
    IntegrationLogFactory,
    MembershipFactory,
    OrganizationFactory,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/metrics/healthreport/"


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory()


@pytest.fixture
def viewer(organization: Organization) -> Client:
    client = Client()
    client.force_login(MembershipFactory(organization=organization, role=Role.VIEWER).user)
    return client


def page(row: HealthReport) -> str:
    return reverse("admin:metrics_healthreport_change", args=[row.pk])


def yesterdays(organization: Organization) -> HealthReport:
    found = report.write(organization, timezone.localdate() - timedelta(days=1))
    assert found is not None
    return found


def test_says_what_needs_somebody_and_what_went_well(viewer: Client, organization: Organization) -> None:
    held = IntegrationFactory(organization=organization, name="Ledger", status=Status.RECONNECT)
    fine = IntegrationFactory(organization=organization, name="Chat", test_ok=True)
    IntegrationFactory(organization=organization, name="Idle", test_ok=True)
    IntegrationLogFactory(
        integration=fine, created_at=report.bounds(timezone.localdate())[0] - timedelta(hours=1)
    )

    row = yesterdays(organization)
    text = viewer.get(page(row)).content.decode()

    assert text.index("What needs somebody") < text.index("Ledger") < text.index("What else happened")
    assert text.index("What else happened") < text.index("Chat") < text.index("Nothing to do that day")
    assert reverse("admin:connections_integration_change", args=[held.pk]) in text
    assert "1 to look at" in viewer.get(LIST).content.decode()


def test_an_integration_that_was_deleted_since_has_no_link(
    viewer: Client, organization: Organization
) -> None:
    held = IntegrationFactory(organization=organization, name="Ledger", status=Status.RECONNECT)
    row = yesterdays(organization)
    address = reverse("admin:connections_integration_change", args=[held.pk])
    held.delete()

    text = viewer.get(page(row)).content.decode()

    assert "deleted since" in text
    assert address not in text


def test_what_a_provider_said_is_never_html(viewer: Client, organization: Organization) -> None:
    integration = IntegrationFactory(organization=organization, name="<b>Bold</b>")
    at = report.bounds(timezone.localdate())[0] - timedelta(hours=1)
    IntegrationLogFactory(
        integration=integration,
        created_at=at,
        outcome="permanent",
        message="<script>x</script>",
        hint="<i>y</i>",
    )

    text = viewer.get(page(yesterdays(organization))).content.decode()

    assert "&lt;script&gt;" in text
    assert not any(tag in text for tag in ("<script>x", "<i>y", "<b>Bold"))


def test_nobody_edits_and_strangers_see_nothing(viewer: Client, organization: Organization) -> None:
    mine, theirs = (
        HealthReportFactory(organization=organization),
        HealthReportFactory(summary="Their secret."),
    )

    assert viewer.get(page(theirs)).status_code == 404
    assert "Their secret" not in viewer.get(LIST).content.decode()
    assert viewer.post(page(mine), {}).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403


def test_the_menu_leads_there(viewer: Client) -> None:
    assert f'href="{LIST}"' in viewer.get("/admin/").content.decode()


def test_a_hub_without_reports_says_what_they_are(viewer: Client) -> None:
    assert "One report a day" in viewer.get(LIST).content.decode()
