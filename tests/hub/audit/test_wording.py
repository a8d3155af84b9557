"""The audit log as people read it: no ids, no UTC, no values of the code."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from hub.accounts.models import APIKey, Membership, Organization
from hub.audit.models import Entry
from hub.audit.wording import field_name, shown, subject
from hub.events.models import Route
from hub.sync.models import Sync
from tests import factories as make
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db


def entry(model: Any) -> Entry:
    return Entry(content_type=ContentType.objects.get_for_model(model))


def test_times_are_told_by_the_clock_of_whoever_looks() -> None:
    with timezone.override("Europe/Berlin"):
        told = shown(entry(APIKey), "expires_at", "2026-07-01 10:00:00")
        assert told == "1 Jul 2026, 12:00:00 CEST"
    assert shown(entry(APIKey), "expires_at", str(datetime(2026, 7, 1, tzinfo=UTC))).endswith("00:00:00 UTC")
    assert shown(entry(APIKey), "expires_at", "soon") == "soon"


def test_values_are_told_in_words() -> None:
    assert shown(entry(Sync), "direction", "push") == "Push: from the hub to the integration"
    assert [shown(entry(Route), "enabled", value) for value in ("True", "False")] == ["yes", "no"]
    assert shown(entry(Route), "filter", "") == ""
    assert shown(entry(Route), "a_field_of_former_times", "x") == "x"
    assert field_name(entry(Route), "a_field_of_former_times") == "A field of former times"


def test_rows_are_named_as_long_as_they_are_there() -> None:
    integration = make.IntegrationFactory(name="Stripe Europe")
    assert shown(entry(Route), "integration", str(integration.pk)) == str(integration)
    key = str(integration.pk)
    integration.delete()
    assert shown(entry(Route), "integration", key) == f"{key} (deleted)"
    assert shown(entry(Route), "integration", "no key") == "no key (deleted)"


def test_a_changed_role_is_told_with_the_members_name() -> None:
    member: Membership = make.MembershipFactory(role="admin")
    change = Entry.objects.filter(content_type__model="membership").latest("pk")
    client = Client()
    client.force_login(member.user)
    page = client.get(reverse("admin:audit_entry_change", args=[change.pk])).text
    assert f">{member.user}</pre>" in page
    # The heading, and the end of the path to it.
    assert page.count(escape(subject(change))) >= 2
    assert f">{member.organization}</pre>" in page
    assert f">{member.get_role_display()}</pre>" in page


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Acme", "Organization Acme"),
        ("Organization 75", "Organization 75"),
        ("Organizations", "Organization Organizations"),
    ],
)
def test_what_was_changed_is_named_once(name: str, told: str) -> None:
    row = entry(Organization)
    row.object_repr = name
    assert subject(row) == told


def test_the_parts_of_an_endpoints_secrets_are_told_in_words() -> None:
    names = [field_name(entry(WebhookEndpoint), part) for part in ("token", "current", "previous", "slug")]
    assert names == ["Address", "Secrets", "Former secrets", "Short name"]
    # Another table's field of the same name keeps its own.
    assert field_name(entry(Route), "token") == "Token"
