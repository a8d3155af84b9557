"""The audit log: who changed what, no secrets, and only one's own."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from hub.audit.actors import Actor, acting
from hub.audit.models import Entry
from hub.connections.models import Credential
from hub.connections.service import save_integration
from tests import factories as make


@pytest.fixture
def member(db: None) -> Membership:
    """An admin."""
    return make.MembershipFactory()


@pytest.fixture
def client(member: Membership) -> Client:
    """The admin's browser."""
    browser = Client()
    browser.force_login(member.user)
    return browser


def latest(**wanted: Any) -> Entry:
    """The newest change."""
    found = Entry.objects.filter(**wanted).first()
    assert found is not None
    return found


def test_what_a_person_changes_is_noted_with_name_and_address(client: Client, member: Membership) -> None:
    edit = reverse("admin:accounts_organization_edit", args=[member.organization.pk])
    client.post(edit, {"name": "Renamed", "slug": member.organization.slug})
    entry = latest(content_type__model="organization")
    assert entry.changes["name"][1] == "Renamed"
    assert (entry.by, entry.actor, entry.remote_addr) == (member.user.username, member.user, "127.0.0.1")
    assert entry.organization == member.organization
    assert entry.cid


def test_secrets_are_named_and_never_written(member: Membership) -> None:
    first = {"api_key": "rk_test_first00000000000000"}
    integration = save_integration(
        member.organization, "stripe", name="Stripe", slug="stripe", auth_key="", values=first, sandbox=True
    )
    credential = Credential.objects.get(integration=integration)
    credential.secrets = {"api_key": "rk_test_second0000000000000"}
    credential.save()
    entry = latest(content_type__model="integration", action=Entry.Action.UPDATE)
    assert entry.changes == {"api_key": ["•••", "•••"]}
    assert "rk_test" not in str(list(Entry.objects.values()))


def test_a_new_token_is_no_change_of_the_configuration(member: Membership) -> None:
    credential = make.IntegrationFactory(organization=member.organization).credential
    before = Entry.objects.count()
    credential.tokens = {"access_token": "secret"}
    credential.save()
    assert Entry.objects.count() == before


def test_a_password_is_masked(member: Membership) -> None:
    member.user.set_password("another one")
    member.user.save()
    entry = latest(content_type__model="user", action=Entry.Action.UPDATE)
    assert entry.changes == {"password": ["•••", "•••"]}
    assert entry.organization is None


def test_a_command_and_an_api_key_are_named(member: Membership, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "apply", "hub.yaml"])
    make.RouteFactory(organization=member.organization)
    assert latest().by == "Command: manage.py apply"
    with acting(lambda: Actor("API key Shop (ick_0123456789ab_…)")):
        make.RouteFactory(organization=member.organization)
    assert latest().by == "API key Shop (ick_0123456789ab_…)"
    monkeypatch.setattr("sys.argv", ["manage.py", "worker"])
    make.RouteFactory(organization=member.organization)
    assert latest().by == "The hub itself"


def test_the_engines_tables_are_not_watched(member: Membership) -> None:
    before = Entry.objects.exclude(content_type__app_label__in=["connections", "mfa"]).count()
    make.QueueItemFactory(integration=make.IntegrationFactory(organization=member.organization))
    make.IntegrationLogFactory(integration=make.IntegrationFactory(organization=member.organization))
    assert Entry.objects.exclude(content_type__app_label__in=["connections", "mfa"]).count() == before


def test_the_pages_show_ones_own_changes_only(client: Client, member: Membership) -> None:
    mine = make.RouteFactory(organization=member.organization, name="Mine")
    make.RouteFactory(name="Strangers")
    text = client.get(reverse("admin:audit_entry_changelist")).text
    assert "Mine" in text
    assert "Strangers" not in text
    foreign = latest(object_repr="Strangers")
    assert client.get(reverse("admin:audit_entry_change", args=[foreign.pk])).status_code == 404
    page = client.get(reverse("admin:audit_entry_change", args=[latest(object_repr="Mine").pk])).text
    assert reverse("admin:events_route_change", args=[mine.pk]) in page
    assert "order.*" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"kind": "events.route"}, True),
        ({"kind": "accounts.apikey"}, False),
        ({"did": "0"}, True),
        ({"did": "2"}, False),
        ({"who": "command"}, True),
        ({"who": "key"}, False),
        ({"who": "people"}, False),
        ({"when": "day"}, True),
        ({"q": "Orders"}, True),
        ({"q": "nothing like it"}, False),
    ],
)
def test_filters_narrow(
    client: Client, member: Membership, query: dict[str, str], shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "apply"])
    make.RouteFactory(organization=member.organization, name="Orders to the shop")
    answer = client.get(reverse("admin:audit_entry_changelist"), query)
    assert ("Orders to the shop" in answer.text) is shown


def test_nobody_changes_an_entry(client: Client, member: Membership) -> None:
    make.RouteFactory(organization=member.organization)
    entry = latest()
    assert client.post(reverse("admin:audit_entry_change", args=[entry.pk]), {"by": "x"}).status_code == 405
    assert client.get(reverse("admin:audit_entry_delete", args=[entry.pk])).status_code == 403
    assert client.get(reverse("admin:audit_entry_add")).status_code == 403


def test_a_viewer_reads_and_an_organization_may_go(member: Membership) -> None:
    viewer = Client()
    viewer.force_login(make.MembershipFactory(organization=member.organization, role=Role.VIEWER).user)
    make.RouteFactory(organization=member.organization, name="Mine")
    assert "Mine" in viewer.get(reverse("admin:audit_entry_changelist")).text
    member.organization.delete()
    entry = latest(content_type__model="organization", action=Entry.Action.DELETE)
    root = Client()
    root.force_login(make.UserFactory(is_superuser=True))
    assert root.get(reverse("admin:audit_entry_change", args=[entry.pk])).status_code == 200
    call_command("check")
