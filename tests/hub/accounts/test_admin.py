"""People in the admin: members, keys."""

import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from hub.accounts.admin import told_apart
from hub.accounts.models import APIKey, Membership, Organization
from hub.events.intake import Draft, accept_events
from hub.identity.invitations import invite
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


def test_a_keys_networks_and_end_are_changed_and_checked(client: Client, membership: Membership) -> None:
    key, text = APIKey.issue(membership.organization, "Shop", ["integrations:read"])
    edit = reverse("admin:accounts_apikey_edit", args=[key.pk])
    data = {"name": "Shop", "scopes": ["integrations:read"]}
    assert "is no address or network" in client.post(edit, {**data, "allowed_networks": "10.0.0.0/99"}).text
    client.post(
        edit,
        {
            **data,
            "allowed_networks": "203.0.113.7\n2001:db8::/32",
            "expires_at_0": "2099-01-01",
            "expires_at_1": "10:00",
        },
    )
    key.refresh_from_db()
    assert key.allowed_networks == ["203.0.113.7/32", "2001:db8::/32"]
    assert APIKey.find(text) == key
    page = client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).text
    assert "2001:db8::/32" in page
    client.post(edit, {**data, "allowed_networks": ""})
    key.refresh_from_db()
    assert not key.allowed_networks


def test_a_key_belongs_to_the_own_organization(client: Client) -> None:
    foreign = make.OrganizationFactory()
    data = {"organization": foreign.pk, "name": "Shop", "scopes": ["events:write"]}
    client.post(reverse("admin:accounts_apikey_add"), data)
    assert not APIKey.objects.exists()


@pytest.fixture
def root(db: None) -> Client:
    """The browser of who runs the whole hub."""
    browser = Client()
    browser.force_login(make.UserFactory(is_superuser=True))
    return browser


def test_accounts_are_made_by_who_runs_the_hub_admins_invite(client: Client) -> None:
    assert client.get(reverse("admin:accounts_membership_add")).status_code == 403


def test_a_new_member_gets_an_account_and_a_first_password(root: Client, membership: Membership) -> None:
    data = {"organization": membership.organization.pk, "person": "ann@example.org", "role": "operator"}
    text = root.post(reverse("admin:accounts_membership_add"), data, follow=True).content.decode()
    password = re.search(r"shown only now: ([\w-]+)", text)
    assert password is not None
    account = get_user_model().objects.get(username="ann@example.org")
    assert account.check_password(password[1])
    assert account.memberships.get().role == "operator"
    assert not account.is_staff


def test_somebody_with_an_account_joins_without_a_new_password(root: Client, membership: Membership) -> None:
    ann = make.UserFactory(email="ann@example.com")
    data = {"organization": membership.organization.pk, "person": "Ann@example.com", "role": "viewer"}
    address = reverse("admin:accounts_membership_add")
    assert "shown only now" not in root.post(address, data, follow=True).content.decode()
    assert ann.memberships.get().organization == membership.organization
    assert "is a member already" in root.post(address, data).content.decode()


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


def test_quotas_are_shown_to_members_and_set_by_superusers_only(
    client: Client, membership: Membership, admin_user: Any
) -> None:
    organization = membership.organization
    edit = reverse("admin:accounts_organization_edit", args=[organization.pk])
    data = {"name": "Renamed", "slug": organization.slug, "events_per_day": "5", "deliveries_per_second": "2"}
    client.post(edit, data)
    organization.refresh_from_db()
    assert (organization.name, organization.events_per_day) == ("Renamed", None)

    operator = Client()
    operator.force_login(admin_user)
    refused = operator.post(edit, {**data, "events_per_month": "0"})
    assert "greater than or equal to 1" in refused.content.decode()
    operator.post(edit, data)
    organization.refresh_from_db()
    assert (organization.events_per_day, organization.deliveries_per_second) == (5, 2)

    accept_events(organization, [Draft("order.paid")] * 5)
    page = client.get(reverse("admin:accounts_organization_change", args=[organization.pk])).content.decode()
    assert "5 of 5 (100 %)" in page
    assert "Used up" in page
    assert "2, over all integrations" in page


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ({"username": "ann", "email": "ann@example.org"}, ("ann@example.org", "")),
        ({"username": "ann@example.org", "email": "Ann@example.org"}, ("Ann@example.org", "")),
        ({"username": "ann", "email": ""}, ("ann", "")),
        ({"username": "ann", "email": "o@example.org"}, ("ann", "o@example.org")),
        ({"username": "ann", "first_name": "Ann", "email": "ann@example.org"}, ("ann@example.org", "")),
        (
            {"username": "a", "first_name": "Ann", "last_name": "Ondaatje", "email": "a@example.org"},
            ("Ann Ondaatje", "a@example.org"),
        ),
    ],
)
def test_a_member_is_named_once(
    client: Client, membership: Membership, account: dict[str, str], told: tuple[str, str]
) -> None:
    user = make.UserFactory(**account)
    make.MembershipFactory(user=user, organization=membership.organization)
    assert told_apart(user) == told
    page = client.get(reverse("admin:accounts_membership_changelist")).text
    name, email = told
    assert (f'{name}<br><span class="ic-dim ic-small">{email}</span>' if email else name) in page


def test_an_empty_list_has_no_bar_that_counts_nothing(client: Client, membership: Membership) -> None:
    invitations = reverse("admin:identity_invitation_changelist")
    assert not re.search(r"0\s+invitations", client.get(invitations).text)
    invite(membership.organization, "ann@example.org", "viewer", membership.user)
    assert re.search(r"1\s+invitation\b", client.get(invitations).text)
