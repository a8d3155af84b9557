"""People in the admin: members, keys."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from hub.accounts.models import APIKey, Membership, Organization
from tests import factories as make


@pytest.fixture
def membership(db: None) -> Membership:
    """An admin."""
    return make.MembershipFactory()


@pytest.fixture
def client(membership: Membership) -> Client:
    """The admin's browser."""
    browser = Client()
    browser.force_login(membership.user)
    return browser


def test_a_key_is_shown_once_and_works(client: Client, membership: Membership) -> None:
    data = {"organization": membership.organization.pk, "name": "Shop", "scopes": ["events:write"]}
    answer = client.post(reverse("admin:accounts_apikey_add"), data)
    found = re.search(r"ick_[0-9a-f]{12}_[\w-]{43}", answer.content.decode())
    assert found is not None
    assert "no-store" in answer["Cache-Control"]
    key = APIKey.find(found[0])
    assert key is not None
    assert (key.organization, key.scopes, key.created_by) == (
        membership.organization,
        ["events:write"],
        membership.user,
    )
    later = client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()
    assert found[0] not in later
    client.post(reverse("admin:accounts_apikey_do", args=[key.pk, "revoke"]))
    assert APIKey.find(found[0]) is None


def test_a_key_belongs_to_the_own_organization(client: Client) -> None:
    foreign = make.OrganizationFactory()
    data = {"organization": foreign.pk, "name": "Shop", "scopes": ["events:write"]}
    client.post(reverse("admin:accounts_apikey_add"), data)
    assert not APIKey.objects.exists()


def test_a_new_member_gets_an_account_and_a_first_password(client: Client, membership: Membership) -> None:
    data = {"organization": membership.organization.pk, "person": "ann@example.org", "role": "operator"}
    text = client.post(reverse("admin:accounts_membership_add"), data, follow=True).content.decode()
    password = re.search(r"shown only now: ([\w-]+)", text)
    assert password is not None
    account = get_user_model().objects.get(username="ann@example.org")
    assert account.check_password(password[1])
    assert account.memberships.get().role == "operator"
    assert not account.is_staff


def test_somebody_with_an_account_joins_without_a_new_password(
    client: Client, membership: Membership
) -> None:
    ann = make.UserFactory(email="ann@example.com")
    data = {"organization": membership.organization.pk, "person": "Ann@example.com", "role": "viewer"}
    address = reverse("admin:accounts_membership_add")
    assert "shown only now" not in client.post(address, data, follow=True).content.decode()
    assert ann.memberships.get().organization == membership.organization
    assert "is a member already" in client.post(address, data).content.decode()


def test_an_admin_renames_the_organization_and_makes_none(client: Client, membership: Membership) -> None:
    organization = membership.organization
    edit = reverse("admin:accounts_organization_edit", args=[organization.pk])
    client.post(edit, {"name": "Renamed", "slug": organization.slug})
    assert Organization.objects.get().name == "Renamed"
    assert client.get(reverse("admin:accounts_organization_add")).status_code == 403


def test_users_are_for_superusers(client: Client) -> None:
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 403
    root = Client()
    root.force_login(make.UserFactory(is_superuser=True))
    assert root.get(reverse("admin:auth_user_changelist")).status_code == 200
