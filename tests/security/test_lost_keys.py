"""The encryption key is lost for good: the hub says so, goes on, and asks for each credential again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.config.doctor.environment import encryption_keys
from hub.config.doctor.finding import Level
from hub.connections import lost
from hub.connections.canary import check_keys
from hub.connections.client import open_connection
from hub.connections.models import Credential, Integration, Status
from hub.connections.service import save_integration
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.events.intake import Draft, accept_event
from hub.lib.keyring import Keyring, KeyringError, new_key
from tests import factories as make
from tests.conftest import Door
from tests.hub.delivery.conftest import make_dispatcher
from webhooks import subscriptions
from webhooks.models import WebhookEndpoint

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def integration() -> Integration:
    """Connected while the old key was there."""
    check_keys()
    organization = make.OrganizationFactory()
    values = {"url": "https://api.example.com/in", "signing_secret": SECRET}
    return save_integration(organization, "http", name="Shop", slug="shop", auth_key="none", values=values)


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Replace the key; ``declared``: say that the old one is lost. Returns the old one's id."""
    (old,) = settings.HUB.encryption_keys
    name = Keyring([old]).primary_id

    def change(declared: bool = True, keys: tuple[str, ...] = ()) -> str:
        lost_keys = (name,) if declared else ()
        hub = replace(settings.HUB, encryption_keys=keys or (new_key(),), lost_keys=lost_keys)
        monkeypatch.setattr(settings, "HUB", hub)
        return name

    return change


def deliver() -> None:
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    dispatcher.shut_down(deadline=2)


def test_without_the_declaration_it_does_not_start(
    integration: Integration, lose: Callable[..., str]
) -> None:
    name = lose(declared=False)
    with pytest.raises(KeyringError, match=f"Only if it is lost for good: set HUB_LOST_KEYS={name}"):
        check_keys()
    with pytest.raises(SystemExit) as stopped:
        call_command("prepare", stdout=StringIO(), stderr=StringIO())
    assert stopped.value.code == 3
    assert Client().get("/readyz").status_code == 503


def test_another_name_opens_nothing(
    integration: Integration, lose: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose()
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, lost_keys=("00000000", "ALL", "*")))
    with pytest.raises(KeyringError, match="does not fit this database"):
        check_keys()


def test_a_key_that_is_there_is_not_lost(integration: Integration, lose: Callable[..., str]) -> None:
    lose(keys=settings.HUB.encryption_keys)
    with pytest.raises(KeyringError, match="nothing is lost"):
        check_keys()


def test_declared_events_come_in_wait_and_go_out_once_it_is_connected_again(
    integration: Integration, lose: Callable[..., str], door: Door
) -> None:
    make.RouteFactory(organization=integration.organization, integration=integration)
    before = Credential.objects.values_list("secrets", flat=True).get()
    name = lose()
    check_keys()
    out = StringIO()
    lost.hold()
    call_command("rotate_keys", status=True, stdout=out)
    assert f"Key {name}: 1 ciphertext; declared lost" in out.getvalue()
    accept_event(integration.organization, Draft(type="order.paid", data={"total": 1}))
    deliver()
    assert not door.requests
    assert QueueItem.objects.get().state == State.PENDING
    integration.refresh_from_db()
    assert integration.status == Status.RECONNECT
    assert "lost" in integration.status_reason
    assert IntegrationLog.objects.filter(integration=integration, message__contains="lost").count() == 1
    assert Credential.objects.values_list("secrets", flat=True).get() == before

    door.answer("POST", "https://api.example.com/in")
    values = {"url": "https://api.example.com/in", "signing_secret": SECRET}
    save_integration(
        integration.organization, "http", name="Shop", slug="shop", auth_key="none", values=values,
        integration=integration,
    )  # fmt: skip
    assert lost.hold() == 0
    deliver()
    assert QueueItem.objects.get().state == State.COMPLETED
    found = lost.loss()
    assert found
    assert found.total == 0
    assert "remove HUB_LOST_KEYS" in found.sentence


def test_nothing_is_sent_without_its_credential_even_before_it_is_held(
    integration: Integration, lose: Callable[..., str], door: Door
) -> None:
    make.RouteFactory(organization=integration.organization, integration=integration)
    lose()
    with pytest.raises(KeyringError, match="enter the credential again"):
        open_connection(integration)
    accept_event(integration.organization, Draft(type="order.paid"))
    deliver()
    assert not door.requests
    assert lost.hold() == 1
    integration.refresh_from_db()
    assert integration.status == Status.RECONNECT


def test_a_paused_one_stays_paused(integration: Integration, lose: Callable[..., str]) -> None:
    integration.pause("By hand.")
    lose()
    assert lost.hold() == 0
    integration.refresh_from_db()
    assert integration.status == Status.PAUSED


def test_a_key_that_is_found_opens_everything_again(
    integration: Integration, lose: Callable[..., str]
) -> None:
    old = settings.HUB.encryption_keys
    lose()
    check_keys()
    lost.hold()
    endpoint = make.WebhookEndpointFactory(integration=integration)
    # Rows that are saved meanwhile keep what they cannot read.
    credential = Credential.objects.get(integration=integration)
    assert credential.secrets is None
    credential.expires_at = timezone.now() + timedelta(days=1)
    credential.save()
    lose(declared=False, keys=(*settings.HUB.encryption_keys, *old))
    check_keys()
    assert Credential.objects.get(integration=integration).secrets == {"signing_secret": SECRET}
    assert WebhookEndpoint.objects.get(pk=endpoint.pk).knows_address


def test_a_subscription_goes_on_with_a_new_secret(lose: Callable[..., str], door: Door) -> None:
    made, _ = make.subscription()
    lose()
    assert lost.hold() == 1
    accept_event(made.organization, Draft(type="order.paid"))
    deliver()
    made.refresh_from_db()
    door.answer("POST", made.url)
    subscriptions.rotate(made)
    assert made.integration.status == Status.ACTIVE
    deliver()
    assert QueueItem.objects.get().state == State.COMPLETED
    assert len(door.last.header("webhook-signature").split()) == 1


def test_an_endpoint_refuses_calls_until_its_secret_is_entered(
    lose: Callable[..., str], client: Client
) -> None:
    integration = make.IntegrationFactory(provider_slug="http")
    endpoint = make.WebhookEndpointFactory(
        integration=integration, token="a-secret-address", secrets={"verification_key": SECRET}
    )
    lose()
    assert WebhookEndpoint.objects.get().secret_sets() == [{}]
    assert (
        client.post("/webhooks/a-secret-address/", b"{}", content_type="application/json").status_code >= 400
    )
    client.force_login(make.MembershipFactory(organization=endpoint.organization).user)
    page = client.get(reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])).text
    assert "Every call is refused until this is entered" in page
    assert "key that encrypted it is lost" in page


def test_pages_readiness_and_doctor_say_so(
    integration: Integration, lose: Callable[..., str], client: Client
) -> None:
    member = make.MembershipFactory(organization=integration.organization).user
    stranger = make.MembershipFactory().user
    boss = make.UserFactory(is_superuser=True)
    name = lose()
    check_keys()
    lost.hold()
    answer: dict[str, Any] = client.get("/readyz?for=web").json()
    assert (answer["status"], answer["checks"]["keys"]) == ("ready", "ok")
    assert name in answer["notes"]["keys"]
    assert [(each.level, name in each.message) for each in encryption_keys()] == [(Level.PROBLEM, True)]
    home = reverse("admin:index")
    for user, said in ((member, True), (stranger, False), (boss, True)):
        client.force_login(user)
        assert ("The hub's encryption key was lost: 1 integration" in client.get(home).text) is said
    client.force_login(boss)
    assert "Declared lost" in client.get(reverse("admin:encryption_keys")).text


def test_a_lost_key_is_no_rotated_key(integration: Integration, lose: Callable[..., str]) -> None:
    lose()
    with pytest.raises(CommandError, match="cannot be opened"):
        call_command("rotate_keys", stdout=StringIO())


def test_prepare_says_it_and_holds(integration: Integration, lose: Callable[..., str]) -> None:
    lose()
    make.UserFactory()
    out = StringIO()
    call_command("prepare", stdout=out)
    assert "declared lost" in out.getvalue()
    assert "held just now: 1" in out.getvalue()
