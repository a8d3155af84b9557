"""The whole way over real sockets: a signed webhook in, an event, three deliveries out.

Stripe's own SDK signs the call; the providers' own API descriptions hold every request; SendGrid
is down, so that Amazon SES takes over; the event's page in a browser tells the story.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import stripe
from django.conf import settings

from hub.accounts.models import Organization, Role
from hub.connections import client
from hub.connections.models import Integration
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.delivery.worker import Worker, run_embedded
from hub.events.models import Event, Route, RouteFallback
from hub.mapping.models import FieldMapping
from tests.connecting import connected
from tests.factories import MembershipFactory, OrganizationFactory, UserFactory
from webhooks.models import ReceivedWebhook
from webhooks.service import create_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

SIGNING_SECRET = "whsec_only_for_this_test"
INVOICE_PAID = {
    "id": "evt_1Whole",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_790_000_000,
    "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {
        "object": {
            "id": "in_1Whole",
            "object": "invoice",
            "number": "A-0042",
            "currency": "eur",
            "amount_paid": 125_00,
            "customer_email": "Ann@Example.com",
            "customer_name": "Ann Ondaatje",
        }
    },
}
RULES = {
    "contact.upsert": [
        {"source": "data.object.customer_email", "target": "email", "transforms": [{"name": "lower"}]},
        {"source": "data.object.customer_name", "target": "last_name"},
    ],
    "message.post": [
        {
            "source": "data.object.amount_paid",
            "target": "text",
            "transforms": [
                {"name": "from_minor_units", "currency_source": "data.object.currency"},
                {"name": "template", "text": "{data.object.customer_name} paid {value}"},
            ],
        },
        {"target": "channel", "transforms": [{"name": "template", "text": "C0SHOP0001"}]},
    ],
    "email.send": [
        {"source": "data.object.customer_email", "target": "to.0.email"},
        {"target": "subject", "transforms": [{"name": "template", "text": "Invoice {data.object.number}"}]},
        {"target": "text", "transforms": [{"name": "template", "text": "Thank you for your payment."}]},
    ],
}


@dataclass
class Hub:
    """An organization whose routes lead from Stripe to HubSpot, Slack and e-mail."""

    organization: Organization
    webhook_url: str
    worker: Worker

    def connect(self, slug: str, auth: str = "") -> Integration:
        return connected(self.organization, slug, auth)

    def route(self, integration: Integration, action: str) -> Route:
        mapping = FieldMapping.objects.create(
            organization=self.organization, name=action, slug=action.replace(".", "-"), rules=RULES[action]
        )
        return Route.objects.create(
            organization=self.organization,
            name=f"Paid invoices: {action}",
            slug=f"paid-{integration.slug}",
            type_pattern="stripe.invoice.*",
            filter="data.object.amount_paid > `0`",
            integration=integration,
            action=action,
            mapping=mapping,
        )

    def receive(self, body: dict[str, Any]) -> requests.Response:
        """Call the webhook as Stripe would, signed by its SDK."""
        raw = json.dumps(body)
        now = int(time.time())
        signature = stripe.WebhookSignature._compute_signature(f"{now}.{raw}", SIGNING_SECRET)
        headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
        return requests.post(self.webhook_url, data=raw.encode(), headers=headers, timeout=10)

    def until(self, true: Callable[[], bool], seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, list(
                QueueItem.objects.values_list("action", "state", "last_error")
            )
            time.sleep(0.05)


@pytest.fixture
def hub(contracts: Any, sandbox_url: str, live_server: Any, monkeypatch: Any, tmp_path: Any) -> Iterator[Hub]:
    """The hub, its worker running, its integrations connected to the description server."""

    def stand_in(integration: Integration) -> str:
        slug = integration.provider_slug
        return contracts.url(slug) if slug in contracts.providers else f"{sandbox_url}/{slug}"

    monkeypatch.setattr(client, "sandbox_of", stand_in)
    worker = Worker()
    made = Hub(OrganizationFactory(name="Shop", slug="shop"), "", worker)
    stripe_integration = made.connect("stripe")
    endpoint = create_endpoint(stripe_integration, "Stripe", {"webhook_signing_secret": SIGNING_SECRET})
    made.webhook_url = live_server.url + endpoint.path
    made.route(made.connect("hubspot"), "contact.upsert")
    made.route(made.connect("slack", "bot"), "message.post")
    mail = made.route(made.connect("sendgrid"), "email.send")
    RouteFallback.objects.create(
        route=mail, integration=made.connect("amazon_ses"), action="email.send", mapping=mail.mapping
    )
    Integration.objects.update(quick_delay=0.05)

    thread = threading.Thread(target=run_embedded, args=(worker, settings.HUB.wake_socket), daemon=True)
    thread.start()
    yield made
    worker.stopping.set()
    thread.join(30)


def travel(hub: Hub, contracts: Any) -> Event:
    """Send the webhook while SendGrid is down; return the event once all is delivered."""
    contracts.fail_next("sendgrid", status=503, times=3)
    assert hub.receive(INVOICE_PAID).status_code == 200
    hub.until(lambda: QueueItem.objects.filter(state=State.COMPLETED).count() == 3)
    return Event.objects.get()


def test_from_stripes_signature_to_three_providers(hub: Hub, contracts: Any):
    event = travel(hub, contracts)

    assert (event.type, event.origin) == ("stripe.invoice.paid", "webhook")
    assert [entry["outcome"] for entry in event.routing] == ["queued"] * 3
    assert contracts.violations == []
    seen = {(request.provider, request.status) for request in contracts.requests}
    assert {("hubspot", 200), ("slack", 200), ("sendgrid", 503)} <= seen
    upsert = next(request for request in contracts.requests if request.provider == "hubspot")
    assert upsert.body["inputs"][0]["properties"]["email"] == "ann@example.com"
    message = next(request for request in contracts.requests if request.provider == "slack")
    assert "Ann Ondaatje paid" in str(message.body)
    mail = QueueItem.objects.get(action="email.send")
    assert mail.integration.provider_slug == "amazon_ses"
    outcomes = IntegrationLog.objects.filter(item_id=mail.pk).order_by("pk")
    assert list(outcomes.values_list("outcome", flat=True)) == ["transient"] * 3 + ["ok"]


def test_the_same_call_again_delivers_nothing_twice(hub: Hub, contracts: Any):
    travel(hub, contracts)
    assert hub.receive(INVOICE_PAID).status_code == 200
    assert (Event.objects.count(), QueueItem.objects.count()) == (1, 3)


def test_a_forged_call_is_refused_and_kept_with_its_reason(hub: Hub):
    answer = requests.post(hub.webhook_url, data=b"{}", headers={"Stripe-Signature": "t=1,v1=00"}, timeout=10)
    assert answer.status_code in (400, 401, 403)
    refused = ReceivedWebhook.objects.get()
    assert refused.state == ReceivedWebhook.State.REFUSED
    assert refused.reason
    assert not Event.objects.exists()


@pytest.mark.browser
def test_the_events_page_tells_the_story(hub: Hub, contracts: Any, live_server: Any, page: Any):
    event = travel(hub, contracts)
    person = UserFactory(username="ann")
    MembershipFactory(user=person, organization=hub.organization, role=Role.VIEWER)
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("[name=username]", "ann")
    page.fill("[name=password]", "password")
    page.click("[type=submit]")
    page.goto(f"{live_server.url}/admin/events/event/{event.pk}/change/")
    story = page.inner_text("main")
    for word in ("stripe.invoice.paid", "HubSpot", "Slack", "SendGrid", "Amazon SES", "503"):
        assert word in story, story
    page.screenshot(path="tests/browser/screenshots/whole-way.png", full_page=True)
