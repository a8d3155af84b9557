"""Stripe's official SDK sends the same requests, and signs and proves the same calls."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
import stripe

from integrations.base.fixtures import call_fixture, webhook_fixtures
from integrations.base.inputs import read_input
from integrations.base.webhooks import Refused
from integrations.stripe.actions import API_VERSION
from integrations.stripe.provider import PROVIDER
from integrations.stripe.webhooks import WEBHOOK
from tests.conftest import Door
from tests.integrations.support import context, incoming

AT = 1_767_225_600
SECRET = "whsec_test_secret"
KEY = "rk_test_example00000000000000000"


class Recorder(stripe.HTTPClient):
    """Keeps what the SDK would send."""

    name = "recorder"

    def __init__(self):
        super().__init__()
        self.sent = []

    def request(self, method, url, headers, post_data=None, **_):
        self.sent.append((method.upper(), url, headers, post_data))
        return json.dumps({"id": "x_1", "object": "x"}), 200, {}

    def close(self):
        """There is nothing to close."""


@pytest.fixture
def official():
    recorder = Recorder()
    return stripe.StripeClient(KEY, http_client=recorder), recorder


def fields(text: str | bytes) -> list[tuple[str, str]]:
    return sorted(parse_qsl(text.decode() if isinstance(text, bytes) else text or ""))


def same(sent, recorded) -> None:
    """Both are the same request, but for what the SDK says about itself."""
    method, url, headers, body = recorded
    names = {name.lower(): value for name, value in headers.items()}
    assert (sent.method, sent.path) == (method, urlsplit(url).path)
    assert fields(sent.body) == fields(body)
    for name in ("authorization", "stripe-version", "idempotency-key", "content-type"):
        assert sent.header(name) == names.get(name, ""), name


def run(action: str, values: dict) -> None:
    found = PROVIDER.action(action)
    found.run(context(PROVIDER, api_key=KEY), read_input(found.input, values))


OPTIONS = {"idempotency_key": "item-1"}


def test_the_pinned_version_is_the_sdks():
    assert stripe.api_version == API_VERSION


def test_a_payment_intent_is_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("POST", "/v1/payment_intents", json={"id": "pi_1"})
    values = {"amount": 4900, "currency": "eur", "confirm": True, "metadata": {"order": "18 & 42 €"}}
    run("stripe.payment_intent", values)
    automatic = {"enabled": True, "allow_redirects": "never"}
    client.v1.payment_intents.create({**values, "automatic_payment_methods": automatic}, OPTIONS)
    same(door.last, recorder.sent[-1])


def test_a_refund_is_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("POST", "/v1/refunds", json={"id": "re_1"})
    values = {"payment_intent": "pi_1", "amount": 900, "reason": "requested_by_customer"}
    run("stripe.refund", values)
    client.v1.refunds.create(values, OPTIONS)
    same(door.last, recorder.sent[-1])


def test_a_subscription_is_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("POST", "/v1/subscriptions", json={"id": "sub_1"})
    values = {
        "customer": "cus_1",
        "items": [{"price": "price_1", "quantity": 3}, {"price": "price_2"}],
        "cancel_at_period_end": False,
    }
    run("stripe.subscription", values)
    client.v1.subscriptions.create(values, OPTIONS)
    same(door.last, recorder.sent[-1])


def test_a_customers_two_requests_are_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("GET", "/v1/customers", json={"object": "list", "data": []})
    door.answer("POST", "/v1/customers", json={"id": "cus_1"})
    run("customer.upsert", {"email": "a+b@example.com", "name": "Ada"})
    client.v1.customers.list({"email": "a+b@example.com", "limit": 10})
    client.v1.customers.create(
        {"email": "a+b@example.com", "name": "Ada"}, {"idempotency_key": "item-1:create"}
    )
    listing = urlsplit(recorder.sent[0][1])
    assert fields(urlsplit(door.requests[0].url).query) == fields(listing.query)
    same(door.requests[1], recorder.sent[1])


def test_an_invoices_requests_are_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("POST", "/v1/invoices", json={"id": "in_1"})
    door.answer("POST", "/v1/invoiceitems", json={"id": "ii_1"})
    door.answer("POST", "/v1/invoices/in_1/finalize", json={"id": "in_1"})
    run("stripe.invoice", {"customer": "cus_1", "items": [{"price": "price_1", "quantity": 2}]})
    client.v1.invoices.create(
        {
            "customer": "cus_1",
            "auto_advance": True,
            "collection_method": "charge_automatically",
            "pending_invoice_items_behavior": "exclude",
        },
        {"idempotency_key": "item-1:invoice"},
    )
    client.v1.invoice_items.create(
        {"customer": "cus_1", "invoice": "in_1", "pricing": {"price": "price_1"}, "quantity": 2},
        {"idempotency_key": "item-1:item0"},
    )
    client.v1.invoices.finalize_invoice(
        "in_1", {"auto_advance": True}, {"idempotency_key": "item-1:finalize"}
    )
    assert len(door.requests) == len(recorder.sent)
    for sent, recorded in zip(door.requests, recorder.sent, strict=True):
        same(sent, recorded)


def test_a_webhook_endpoint_is_the_sdks(door: Door, official):
    client, recorder = official
    door.answer("POST", "/v1/webhook_endpoints", json={"id": "we_1", "secret": SECRET})
    values = {
        "url": "https://hub.example.com/webhooks/t/",
        "enabled_events": ["invoice.paid", "charge.refunded"],
    }
    run("stripe.webhook_endpoint", values)
    client.v1.webhook_endpoints.create({**values, "api_version": API_VERSION}, OPTIONS)
    same(door.last, recorder.sent[-1])


@pytest.mark.parametrize("fixture", webhook_fixtures(PROVIDER), ids=lambda fixture: fixture.types[0])
def test_what_the_sdk_signs_is_proved(fixture):
    body = fixture.body.decode()
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, timestamp=AT)
    call = incoming(fixture.body, {"Stripe-Signature": header}, at=AT)
    WEBHOOK.verify(call, {"webhook_signing_secret": SECRET})
    with pytest.raises(Refused):
        WEBHOOK.verify(call, {"webhook_signing_secret": SECRET + "x"})


def test_what_we_sign_is_proved_by_the_sdk():
    call = incoming(webhook_fixtures(PROVIDER)[0].body, at=AT)
    headers = WEBHOOK.sign(call.body, {"webhook_signing_secret": SECRET}, call.url, call.received_at)
    event = stripe.Webhook.construct_event(call.body, headers["Stripe-Signature"], SECRET, tolerance=10**9)
    assert event.id == WEBHOOK.call_id(call)


def test_the_fixtures_answers_are_what_the_sdk_reads():
    fixture = call_fixture(PROVIDER, "actions", "stripe.invoice")
    final = fixture.exchanges[-1].body
    assert stripe.Invoice.construct_from(final, KEY).hosted_invoice_url == final["hosted_invoice_url"]
