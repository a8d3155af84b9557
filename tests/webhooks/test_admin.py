"""Endpoints and received calls in the admin."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from tests import factories as make
from tests.webhooks.calls import call, endpoint_of, fixture_of
from webhooks.admin import newest_call
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


def test_the_newest_call_is_told_though_the_endpoint_notes_one_a_minute(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    address = reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])
    assert "no call yet" in client.get(address).text
    now = timezone.now()
    WebhookEndpoint.objects.update(last_call_at=now - timedelta(seconds=50))
    for state, age in ((ReceivedWebhook.State.PROCESSED, 20), (ReceivedWebhook.State.REFUSED, 10)):
        row = make.ReceivedWebhookFactory(endpoint=endpoint, state=state)
        ReceivedWebhook.objects.filter(pk=row.pk).update(received_at=now - timedelta(seconds=age))
    assert newest_call(WebhookEndpoint.objects.get(), list(endpoint.received.all())) == now - timedelta(
        seconds=20
    )
    assert "no call yet" not in client.get(address).text


def test_the_body_of_a_repetition_is_kept_with_the_first_call(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    states = ReceivedWebhook.State
    for state, told in ((states.DUPLICATE, "The body is kept once"), (states.PROCESSED, "It had no body.")):
        row = make.ReceivedWebhookFactory(endpoint=endpoint, state=state, body=b"")
        assert told in client.get(reverse("admin:webhooks_receivedwebhook_change", args=[row.pk])).text


def test_a_call_that_is_processed_again_is_looked_at_until_it_is(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    for state, looks in ((ReceivedWebhook.State.RECEIVED, True), (ReceivedWebhook.State.PROCESSED, False)):
        row = make.ReceivedWebhookFactory(endpoint=endpoint, state=state)
        page = client.get(reverse("admin:webhooks_receivedwebhook_change", args=[row.pk])).text
        assert ('hx-trigger="every 2s' in page) == looks


def test_an_endpoint_without_integration_and_name_says_what_is_missing(
    client: Client, endpoint: WebhookEndpoint
) -> None:
    page = client.post(reverse("admin:webhooks_webhookendpoint_add"), {"name": ""}).text
    assert "Choose the integration whose calls come here." in page
    assert "Give it a name" in page


def test_a_repetition_leads_to_the_first_call_as_long_as_that_is_there(db: None) -> None:
    endpoint = endpoint_of("stripe")
    for _ in range(2):
        call(endpoint, fixture_of("stripe").body)
    first, again = ReceivedWebhook.objects.order_by("pk")
    client = Client()
    client.force_login(make.MembershipFactory(organization=endpoint.organization).user)
    pages = [reverse("admin:webhooks_receivedwebhook_change", args=[row.pk]) for row in (first, again)]
    assert f'href="{pages[0]}">Open the first one</a>' in client.get(pages[1]).text
    assert "Open the first one" not in client.get(pages[0]).text
    # It is the number that leads there, not the sentence; repetitions of before it was kept lead nowhere.
    for kept, leads in ((first.pk, True), (None, False)):
        ReceivedWebhook.objects.filter(pk=again.pk).update(repeats=kept, reason="Came before as number 1.")
        assert ("Open the first one" in client.get(pages[1]).text) == leads
    ReceivedWebhook.objects.filter(pk=again.pk).update(repeats=first.pk)
    first.delete()
    assert "Open the first one" not in client.get(pages[1]).text
