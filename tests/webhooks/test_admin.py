"""Endpoints and received calls in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from hub.accounts.models import Membership, Role
from tests import factories as make
from webhooks.models import ReceivedWebhook, WebhookEndpoint

SECRET = "whsec_SENTINEL0000000000000000000000"


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


@pytest.fixture
def endpoint(membership: Membership) -> WebhookEndpoint:
    """An endpoint of Stripe's, waiting."""
    integration = make.IntegrationFactory(organization=membership.organization, provider_slug="stripe")
    return make.WebhookEndpointFactory(integration=integration, token="the-secret-address")


def page(endpoint: WebhookEndpoint) -> str:
    return reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])


def test_a_new_endpoint_shows_its_address_to_admins_only(client: Client, membership: Membership) -> None:
    integration = make.IntegrationFactory(organization=membership.organization, provider_slug="stripe")
    data = {"integration": str(integration.pk), "name": "Live"}
    answer = client.post(reverse("admin:webhooks_webhookendpoint_add"), data)
    endpoint = WebhookEndpoint.objects.get()
    assert answer["Location"] == page(endpoint)
    assert endpoint.path in client.get(page(endpoint)).content.decode()
    viewer = Client()
    viewer.force_login(make.MembershipFactory(organization=membership.organization, role=Role.VIEWER).user)
    assert endpoint.path not in viewer.get(page(endpoint)).content.decode()


def test_secrets_go_in_and_never_come_out(client: Client, endpoint: WebhookEndpoint) -> None:
    field = endpoint.integration.provider.webhook.fields[0].name
    assert "Every call is refused until this is entered" in client.get(page(endpoint)).content.decode()
    address = reverse("admin:webhooks_webhookendpoint_secrets", args=[endpoint.pk])
    text = client.post(address, {f"f_{field}": SECRET}, follow=True).content.decode()
    assert "Saved." in text
    assert SECRET not in text
    assert "Waiting for the first call" in text
    assert WebhookEndpoint.objects.get().keys["current"] == {field: SECRET}


def test_an_operator_enters_no_secrets(endpoint: WebhookEndpoint) -> None:
    operator = Client()
    operator.force_login(make.MembershipFactory(organization=endpoint.organization, role=Role.OPERATOR).user)
    address = reverse("admin:webhooks_webhookendpoint_secrets", args=[endpoint.pk])
    assert operator.post(address, {"f_signing_secret": SECRET}).status_code == 403


def test_a_new_address_replaces_the_old_one(client: Client, endpoint: WebhookEndpoint) -> None:
    client.post(reverse("admin:webhooks_webhookendpoint_do", args=[endpoint.pk, "new-address"]))
    assert WebhookEndpoint.objects.get().path != endpoint.path


def test_a_refused_call_says_why_and_cannot_be_processed_again(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    received = make.ReceivedWebhookFactory(
        endpoint=endpoint, state=ReceivedWebhook.State.REFUSED, reason="The signature does not fit."
    )
    address = reverse("admin:webhooks_receivedwebhook_change", args=[received.pk])
    assert "The signature does not fit." in client.get(address).content.decode()
    client.post(reverse("admin:webhooks_receivedwebhook_do", args=[received.pk, "resend"]))
    received.refresh_from_db()
    assert received.state == ReceivedWebhook.State.REFUSED


def test_a_processed_call_is_processed_again(client: Client, endpoint: WebhookEndpoint) -> None:
    received = make.ReceivedWebhookFactory(endpoint=endpoint, state=ReceivedWebhook.State.PROCESSED)
    client.post(reverse("admin:webhooks_receivedwebhook_do", args=[received.pk, "resend"]))
    received.refresh_from_db()
    assert received.state == ReceivedWebhook.State.RECEIVED


def test_a_body_with_markup_stays_text(client: Client, endpoint: WebhookEndpoint) -> None:
    received = make.ReceivedWebhookFactory(endpoint=endpoint, body=b'{"a": "<script>alert(1)</script>"}')
    address = reverse("admin:webhooks_receivedwebhook_change", args=[received.pk])
    assert "<script>alert(1)" not in client.get(address).content.decode()
