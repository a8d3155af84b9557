"""Columns that a form does not show cannot be set by sending them along."""

from typing import Any

import pytest
from django.urls import reverse

from hub.accounts.models import APIKey
from tests import factories as make
from tests.hub.dashboard.world import World
from webhooks.models import Subscription

#: What somebody would like to set, whatever the form.
WANTED: dict[str, Any] = {
    "id": "00000000-0000-0000-0000-000000000001",
    "pk": "1",
    "is_superuser": "on",
    "is_staff": "on",
    "user_permissions": "1",
    "prefix": "chosen",
    "digest": "0" * 64,
    "created_by": "1",
    "revoked_at": "",
    "last_used_at_0": "2020-01-01",
    "token_digest": "0" * 64,
    "keys": '{"current": {}}',
    "status": "active",
    "status_reason": "chosen",
    "circuit": "closed",
    "enabled": "",
    "reason": "chosen",
    "failing_since": "",
    "route": "",
    "provider_slug": "slack",
    "secrets": "{}",
    "tokens": "{}",
    "created_at": "2000-01-01",
}


@pytest.mark.django_db
def test_an_api_key_is_what_the_hub_made(world: World) -> None:
    client = world.client("admin")
    given = {**WANTED, "organization": world.organization.pk, "name": "Mine", "scopes": "events:write"}
    client.post(reverse("admin:accounts_apikey_add"), given)
    key = APIKey.objects.get(name="Mine")
    assert (key.prefix, key.digest) != ("chosen", "0" * 64)
    assert key.created_by == world.users["admin"]
    assert key.created_at.year > 2000


@pytest.mark.django_db
def test_a_member_makes_nobody_a_superuser(world: World) -> None:
    client, member = world.client("admin"), world.rows["membership"]
    given = {**WANTED, "organization": world.organization.pk, "person": "new@example.com", "role": "viewer"}
    client.post(reverse("admin:accounts_membership_add"), given)
    client.post(reverse("admin:accounts_membership_change", args=[member.pk]), {**WANTED, "role": "admin"})
    users = make.UserFactory._meta.model.objects
    assert not users.filter(is_superuser=True).exists()
    assert not users.filter(username="new@example.com").exists(), "people come by invitation"


@pytest.mark.django_db
def test_a_role_is_not_raised_by_its_own_holder(world: World) -> None:
    for role in ("viewer", "operator"):
        client = world.client(role)
        mine = world.users[role].memberships.get()
        answer = client.post(
            reverse("admin:accounts_membership_change", args=[mine.pk]),
            {"role": "admin", "user": mine.user_id},
        )
        assert answer.status_code == 403
        mine.refresh_from_db()
        assert mine.role == role


@pytest.mark.django_db
def test_the_guided_form_keeps_provider_and_state(world: World) -> None:
    client, row = world.client("admin"), world.rows["integration"]
    row.pause("By hand.")
    given = {**WANTED, "name": "Renamed", "slug": row.slug, "auth_key": "", "f_api_key": ""}
    client.post(reverse("admin:connections_integration_edit", args=[row.pk]), given)
    row.refresh_from_db()
    assert (row.provider_slug, row.status, row.status_reason) == ("stripe", "paused", "By hand.")
    assert row.credential.secrets["api_key"]


@pytest.mark.django_db
def test_a_subscription_keeps_its_organization_and_state(world: World, strangers: World) -> None:
    client, row = world.client("admin"), world.rows["subscription"]
    given = {
        **WANTED,
        "organization": strangers.organization.pk,
        "integration": strangers.rows["integration"].pk,
        "url": "https://hooks.example.com/other",
        "types": "a.b",
        "name": "Renamed",
    }
    client.post(reverse("admin:webhooks_subscription_edit", args=[row.pk]), given)
    changed = Subscription.objects.get(pk=row.pk)
    assert changed.name == "Renamed"
    assert changed.organization == world.organization
    assert changed.enabled
    assert changed.integration_id == row.integration_id
    assert changed.integration.provider_slug == row.integration.provider_slug
    client.post(reverse("admin:webhooks_subscription_add"), given)
    assert not Subscription.objects.filter(organization=strangers.organization, name="Renamed").exists()
