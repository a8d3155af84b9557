"""Another account is asked about before anything changes."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from hub.connections import check
from hub.connections.models import Credential, Integration, PendingSwitch
from integrations.base.results import Result
from tests import factories as make
from tests.conftest import Door
from tests.hub.dashboard.test_connect import LIMITS

pytestmark = pytest.mark.django_db
OLD, NEW = "xoxb-000000000000-old", "xoxb-000000000000-new"


@pytest.fixture
def membership() -> Membership:
    return make.MembershipFactory()


@pytest.fixture
def row(membership: Membership) -> Integration:
    """A Slack of team T1."""
    return make.IntegrationFactory(
        organization=membership.organization,
        provider_slug="slack",
        auth_key="bot",
        name="Slack",
        slug="slack",
        account_label="Acme",
        account_id="T1",
        credential__secrets={"bot_token": OLD},
    )


@pytest.fixture
def client(membership: Membership) -> Client:
    browser = Client()
    browser.force_login(membership.user)
    return browser


def enter(client: Client, row: Integration, door: Door, team: str, name: str = "Other Ltd") -> str:
    door.answer("POST", "/api/auth.test", json={"ok": True, "team": name, "team_id": team})
    edit = reverse("admin:connections_integration_edit", args=[row.pk])
    data = {"name": "Slack", "slug": "slack", "auth_key": "bot", "f_bot_token": NEW, **LIMITS}
    return str(client.post(edit, data)["Location"])


def kept(row: Integration) -> str:
    return str(Credential.objects.get(integration=row).secrets["bot_token"])


def question(row: Integration) -> str:
    return reverse("admin:connections_integration_account", args=[row.pk])


def test_the_same_account_under_another_name_is_not_asked_about(
    client: Client, row: Integration, door: Door
) -> None:
    assert enter(client, row, door, "T1", "Acme, renamed") != question(row)
    assert kept(row) == NEW


def test_another_account_waits_for_an_answer_and_nothing_changes(
    client: Client, row: Integration, door: Door
) -> None:
    make.QueueItemFactory(integration=row)
    assert enter(client, row, door, "T2") == question(row)
    assert kept(row) == OLD
    assert NEW not in str(list(PendingSwitch.objects.values()))
    text = client.get(question(row)).text
    assert "This is another account: Other Ltd, not Acme." in text
    assert "Its queue holds 1 delivery for it" in text
    assert NEW not in text
    answer = client.post(question(row), {"answer": "keep"}, follow=True).text
    assert "stays with Acme. Nothing was changed." in answer
    assert kept(row) == OLD
    assert not PendingSwitch.objects.exists()


def test_a_yes_moves_it(client: Client, row: Integration, door: Door) -> None:
    enter(client, row, door, "T2")
    text = client.post(question(row), {"answer": "switch"}, follow=True).text
    assert "is connected." in text
    row.refresh_from_db()
    assert (row.account_label, row.account_id, kept(row)) == ("Other Ltd", "T2", NEW)
    assert "moved it to another account: Other Ltd." in text


def test_an_answer_that_came_too_late_changes_nothing(client: Client, row: Integration, door: Door) -> None:
    enter(client, row, door, "T2")
    PendingSwitch.objects.update(expires_at=timezone.now())
    text = client.post(question(row), {"answer": "switch"}, follow=True).text
    assert "No other account waits" in text
    assert kept(row) == OLD


def test_only_who_entered_it_answers(client: Client, row: Integration, door: Door) -> None:
    enter(client, row, door, "T2")
    for role in (Role.OPERATOR, Role.ADMIN):
        other = Client()
        other.force_login(make.MembershipFactory(organization=row.organization, role=role).user)
        assert other.post(question(row), {"answer": "switch"}).status_code in (302, 403)
    assert kept(row) == OLD


def test_a_credential_that_does_not_tell_its_account_is_asked_about(
    client: Client, row: Integration, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slack has no such answer; another provider names a mode, and not the account.
    monkeypatch.setattr(check, "prove", lambda *_: Result("in test mode"))
    assert enter(client, row, door, "") == question(row)
    text = client.get(question(row)).text
    assert "Interchange cannot tell whether this is Acme" in text
    assert "not Acme." not in text
    text = client.post(question(row), {"answer": "switch"}, follow=True).text
    row.refresh_from_db()
    assert (row.account_label, row.account_id, kept(row)) == ("in test mode", "", NEW)
    assert "Interchange cannot tell which account this is: the credential does not let it see" in text


def test_an_account_that_was_never_told_is_not_asked_about(
    client: Client, row: Integration, door: Door
) -> None:
    row.forget_account()
    assert enter(client, row, door, "T2") != question(row)
    row.refresh_from_db()
    assert (row.account_id, kept(row)) == ("T2", NEW)


def test_the_sandboxs_account_is_forgotten_when_it_is_left(
    client: Client, row: Integration, door: Door
) -> None:
    Integration.objects.update(sandbox=True)
    assert enter(client, row, door, "", "") != question(row)
    row.refresh_from_db()
    assert (row.account_label, row.account_id) == ("", "")


@pytest.mark.parametrize(
    ("slug", "auth", "said"),
    [
        ("pagerduty", "events", "PagerDuty does not say it for this way to sign in"),
        ("sendgrid", "api_key", "the credential does not let it see the user&#x27;s id"),
    ],
)
def test_the_page_says_where_no_account_can_be_told(
    client: Client, membership: Membership, slug: str, auth: str, said: str
) -> None:
    row = make.IntegrationFactory(
        organization=membership.organization, provider_slug=slug, auth_key=auth, test_ok=True
    )
    text = client.get(reverse("admin:connections_integration_change", args=[row.pk])).text
    assert "Interchange cannot tell which account this is" in text
    assert said in text
    form = client.get(reverse("admin:connections_integration_edit", args=[row.pk])).text
    assert "it cannot tell whether what you enter here is of the same one" in form


def test_the_form_is_silent_where_the_account_is_known(client: Client, row: Integration) -> None:
    form = client.get(reverse("admin:connections_integration_edit", args=[row.pk])).text
    assert "it cannot tell whether" not in form
