"""Outgoing webhooks in the admin."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from hub.delivery.models import QueueItem, State
from tests import factories as make
from webhooks.models import Subscription

ADD = reverse("admin:webhooks_subscription_add")
LIST = reverse("admin:webhooks_subscription_changelist")
NEW = {"url": "https://hooks.example.com/in", "types": "order.*\ninvoice.paid", "name": "Partner"}


@pytest.fixture
def membership(db: None) -> Membership:
    return make.MembershipFactory()


@pytest.fixture
def client(membership: Membership) -> Client:
    browser = Client()
    browser.force_login(membership.user)
    return browser


@pytest.fixture
def made(membership: Membership) -> Subscription:
    return make.subscription(membership.organization)[0]


def page(row: Subscription, name: str = "change") -> str:
    return reverse(f"admin:webhooks_subscription_{name}", args=[row.pk])


def do(client: Client, row: Subscription, deed: str) -> Any:
    address = reverse("admin:webhooks_subscription_do", args=[row.pk, deed])
    return client.post(address, follow=True)


def test_a_new_one_shows_its_secret_once(client: Client, membership: Membership) -> None:
    answer = client.post(ADD, {**NEW, "organization": membership.organization.pk})
    row = Subscription.objects.get()
    secret = row.integration.credential.secrets["signing_secret"]
    assert secret in answer.text
    assert "no-store" in answer["Cache-Control"]
    again = client.get(page(row)).text
    assert secret not in again
    assert "invoice.paid" in again
    assert "How the receiver verifies" in again


def test_mistakes_are_told_at_their_fields(client: Client, membership: Membership) -> None:
    given = {**NEW, "organization": membership.organization.pk, "url": "https://10.0.0.1/", "types": "a b"}
    text = client.post(ADD, given).text
    assert "private network" in text
    assert "A type pattern has letters" in text
    assert not Subscription.objects.exists()
    allowed = {**given, "types": "a", "allowed_hosts": "10.0.0.1"}
    client.post(ADD, allowed)
    assert Subscription.objects.get().integration.allowed_hosts == ["10.0.0.1"]


def test_it_is_edited(client: Client, made: Subscription) -> None:
    assert "order.*" in client.get(page(made, "edit")).text
    given = {**NEW, "name": "Other", "rate_count": "5", "rate_seconds": "60"}
    assert client.post(page(made, "edit"), given).status_code == 302
    made = Subscription.objects.get()
    assert (made.name, made.types, made.integration.rate) == ("Other", ["order.*", "invoice.paid"], (5, 60))


def test_a_test_event_leads_to_its_story(client: Client, made: Subscription) -> None:
    answer = do(client, made, "test")
    assert answer.redirect_chain[-1][0].startswith("/admin/events/event/")
    assert "subscription.test" in answer.text
    assert QueueItem.objects.filter(integration=made.integration).count() == 1


def test_it_is_switched_off_and_on_again(client: Client, made: Subscription) -> None:
    do(client, made, "test")
    text = do(client, made, "switch-off").text
    assert "Switch on again" in text
    assert "1 delivery is held" in text
    assert "1 held delivery goes out first" in do(client, made, "switch-on").text


def test_a_failing_one_says_until_when(client: Client, made: Subscription) -> None:
    Subscription.objects.update(failing_since=timezone.now() - timedelta(days=1))
    assert "Nothing was taken since" in client.get(page(made)).text
    assert "Failing" in client.get(LIST).text


def test_a_secret_is_replaced_with_an_overlap(client: Client, made: Subscription) -> None:
    before = made.integration.credential.secrets["signing_secret"]
    text = client.post(page(made, "rotate"), {"hours": "24"}).text
    row = Subscription.objects.get()
    secrets = row.integration.credential.secrets
    assert secrets["previous_secret"] == before
    assert secrets["signing_secret"] in text
    assert before not in text
    assert "Two secrets sign now" in text
    do(client, made, "end-overlap")
    assert Subscription.objects.get().previous_until is None
    assert "The overlap is" in client.post(page(made, "rotate"), {"hours": "x"}, follow=True).text


def test_removed_it_leaves_the_list_but_its_page_stays(client: Client, made: Subscription) -> None:
    do(client, made, "unsubscribe")
    assert made.name not in client.get(LIST).text
    text = client.get(page(made)).text
    assert "Nothing is sent any more" in text
    assert "Switch on again" not in text
    assert client.get(page(made, "edit")).status_code == 404


def test_what_failed_is_retried_from_its_page(client: Client, made: Subscription) -> None:
    item = make.QueueItemFactory(
        integration=made.integration, action=made.route.action, state=State.FAILED, attempts=3
    )
    assert "Retry all" in client.get(page(made)).text
    do(client, made, "retry-failed")
    item.refresh_from_db()
    assert item.state == State.PENDING


def test_its_integration_and_route_lead_here_and_stand_in_no_list(
    client: Client, membership: Membership, made: Subscription
) -> None:
    for model, row in (("connections_integration", made.integration), ("events_route", made.route)):
        assert client.get(reverse(f"admin:{model}_changelist")).text.count(str(row.pk)) == 0
        for address in (reverse(f"admin:{model}_change", args=[row.pk]),):
            assert client.get(address, follow=True).redirect_chain[-1][0] == page(made)
            assert client.post(address, {"name": "X"}, follow=True).redirect_chain[-1][0] == page(made)
    pause = reverse("admin:connections_integration_do", args=[made.integration.pk, "pause"])
    client.post(pause)
    toggle = reverse("admin:events_route_do", args=[made.route.pk, "toggle"])
    client.post(toggle)
    gone = reverse("admin:events_route_delete", args=[made.route.pk])
    assert client.post(gone, {"post": "yes"}).status_code == 403
    made.refresh_from_db()
    assert made.route.enabled
    assert made.integration.status == "active"
    assert (
        client.get(reverse("admin:connections_integration_edit", args=[made.integration.pk])).status_code
        == 404
    )
    assert str(made.integration.pk) not in client.get(reverse("admin:events_route_add")).text
    out = StringIO()
    call_command("export", organization=membership.organization.slug, stdout=out)
    assert "subscription" not in out.getvalue()


def test_a_viewer_looks_and_an_operator_switches(membership: Membership, made: Subscription) -> None:
    for role, switches in ((Role.VIEWER, False), (Role.OPERATOR, True)):
        browser = Client()
        browser.force_login(make.MembershipFactory(organization=membership.organization, role=role).user)
        assert browser.get(page(made)).status_code == 200
        assert browser.post(page(made, "rotate")).status_code == 403
        assert browser.get(ADD).status_code == 403
        assert do(browser, made, "unsubscribe").status_code == 403
        do(browser, made, "switch-off")
        assert Subscription.objects.get().enabled is not switches
