"""The calendar of credentials that end, and the problem on the home page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from hub.connections.expiry import warn_expiring
from hub.connections.models import Credential, Integration
from hub.delivery.models import IntegrationLog
from tests import factories as make

pytestmark = pytest.mark.django_db


def browser(membership: Membership) -> Client:
    client = Client()
    client.force_login(membership.user)
    return client


def ending(membership: Membership, days: int) -> Integration:
    row = make.IntegrationFactory(organization=membership.organization, provider_slug="stripe", name="Stripe")
    Credential.objects.filter(integration=row).update(
        expires_at=timezone.now() + timedelta(days=days, hours=1)
    )
    return row


@pytest.mark.parametrize(
    ("days", "verdict"), [(5, "Stripe needs somebody."), (20, "All is well, but a credential ends soon.")]
)
def test_an_end_in_sight_is_a_problem_on_the_home_page(days: int, verdict: str) -> None:
    membership = make.MembershipFactory()
    row = ending(membership, days)
    text = browser(membership).get("/admin/").text
    assert verdict in text
    assert f"Its credential ends in {days} days." in text
    assert reverse("admin:connections_integration_edit", args=[row.pk]) in text
    viewer = make.MembershipFactory(organization=membership.organization, role=Role.VIEWER)
    seen = browser(viewer).get("/admin/").text
    assert f"Its credential ends in {days} days." in seen
    assert "Renew</a>" not in seen


def test_a_distant_end_is_no_problem() -> None:
    membership = make.MembershipFactory()
    ending(membership, 60)
    assert "All is well." in browser(membership).get("/admin/").text


def test_the_warning_stands_in_the_log_once() -> None:
    row = ending(make.MembershipFactory(), 5)
    warn_expiring()
    warn_expiring()
    entry = IntegrationLog.objects.get(integration=row)
    assert (entry.outcome, "within 7 days" in entry.message) == ("expiring", True)


def test_the_calendar_shows_own_integrations_and_takes_a_day() -> None:
    membership = make.MembershipFactory()
    row = ending(membership, 12)
    make.IntegrationFactory(name="A stranger's")
    client = browser(membership)
    address = reverse("admin:connections_expiry")
    text = client.get(address).text
    assert "ends in 12 days" in text
    assert "stranger" not in text
    enter = reverse("admin:connections_integration_expiry", args=[row.pk])
    day = timezone.localdate() + timedelta(days=3)
    assert "You are warned 1 day before." in client.post(enter, {"day": day}, follow=True).text
    assert "entered by an admin" in client.get(address).text
    assert "That is no day" in client.post(enter, {"day": "soon"}, follow=True).text
    assert "is kept" in client.post(enter, {"day": ""}, follow=True).text
    assert Credential.objects.get(integration=row).expires_at is None
    assert client.get(enter).status_code == 405


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_enter_a_day(role: Role) -> None:
    member = make.MembershipFactory(role=role)
    row = ending(member, 12)
    enter = reverse("admin:connections_integration_expiry", args=[row.pk])
    client = browser(member)
    assert enter not in client.get(reverse("admin:connections_expiry")).text
    assert client.post(enter, {"day": "2030-01-31"}).status_code == 403
    assert browser(make.MembershipFactory()).post(enter, {"day": "2030-01-31"}).status_code == 404


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (200, "You are warned 30, 7 and 1 days before."),
        (20, "You are warned 7 and 1 days before."),
        (1, "The home page says so until it is renewed."),
        (0, "The home page says so until it is renewed."),
        (-3, "renew it, or enter another day."),
    ],
)
def test_entering_a_day_tells_what_follows(days: int, told: str) -> None:
    membership = make.MembershipFactory()
    row = make.IntegrationFactory(organization=membership.organization)
    enter = reverse("admin:connections_integration_expiry", args=[row.pk])
    day = timezone.localdate() + timedelta(days=days)
    client = browser(membership)
    page = client.post(enter, {"day": day}, follow=True).text
    assert told in page
    assert (" ended on " in page) == (days < 0)
    assert ("Renew it now." in client.get(reverse("admin:index")).text) == (days < 0)


def test_the_nearest_end_is_told_first_and_what_is_broken_before_it() -> None:
    membership = make.MembershipFactory()
    for name, days in {"Acme": 20, "Moon": 5, "Zeta": -1}.items():
        row = ending(membership, days)
        Integration.objects.filter(pk=row.pk).update(name=name)
    make.IntegrationFactory(organization=membership.organization, name="Quay", test_ok=False)
    text = browser(membership).get("/admin/").text
    assert "Quay, Zeta, Moon need somebody." in text
    assert text.index("ends in 5 days") < text.index("ends in 20 days")
