"""Columns that a form does not show cannot be set by sending them along."""

from typing import Any

import pytest
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from hub.accounts.models import APIKey
from hub.lib import throttle
from tests import factories as make
from tests.hub.api.conftest import API
from tests.hub.dashboard.world import World
from tests.security.addresses import operations, photograph
from tests.security.test_hostile_values import address
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
#: A record is whatever its sender says.
FREE_FORM = {("put", "/api/records/{type}/{key}")}


COMPONENTS = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]


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


def fields_of(schema: dict[str, Any]) -> set[str]:
    """What a body may have."""
    if "$ref" in schema:
        return fields_of(COMPONENTS[schema["$ref"].rpartition("/")[2]])
    inner = [fields_of(each) for each in schema.get("oneOf", [])]
    return set(schema.get("properties", {})).union(*inner)


@pytest.mark.django_db
def test_no_body_of_the_api_takes_what_its_form_does_not_have(world: World, strangers: World) -> None:
    """Each JSON body of the description, with every column that somebody would like to set."""
    api, tried = API(world.organization), 0
    api.get("/api/events")  # notes that the key is used
    before = photograph()
    for method, path, operation in operations():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None or (method, path) in FREE_FORM:
            continue
        examples = [each["value"] for each in content["examples"].values()]
        for name, value in {**WANTED, "organization_id": str(strangers.organization.pk)}.items():
            body = {**examples[0], name: value}
            if name in examples[0] or name in fields_of(content["schema"]):
                continue
            throttle.forget()
            answer = api.send(method.upper(), address(world, path, {}), body, If_Match="*")
            assert answer.status_code in (400, 404), (method, path, name, answer.text)
            tried += 1
    assert tried > 200
    assert photograph() == before
