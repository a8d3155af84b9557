"""Calls come in: proved by each provider's own declaration, kept, answered; all else is refused."""

import json
from datetime import timedelta

import pytest
import stripe
from django.utils import timezone

from hub.delivery.models import IntegrationLog
from hub.events.models import Event
from integrations.base.provider import Provider
from tests.conftest import Door
from tests.factories import IntegrationFactory, WebhookEndpointFactory
from tests.webhooks.calls import (
    call,
    declared,
    endpoint_of,
    fixture_of,
    post,
    sample_secrets,
    signed,
    signing_providers,
)
from webhooks import store
from webhooks.models import ReceivedWebhook

pytestmark = pytest.mark.django_db
State = ReceivedWebhook.State
PAID = "stripe.invoice.paid"


def only() -> ReceivedWebhook:
    return ReceivedWebhook.objects.get()


@pytest.fixture
def certificates(door: Door, request: pytest.FixtureRequest) -> Door:
    """Answers what a verifier fetches with what the provider's declaration has for samples."""
    for provider in signing_providers():
        if provider.webhook and (fetch := provider.webhook.sample_fetch):
            door.answer("GET", lambda sent, f=fetch: bool(f(sent.url)), body=_first(fetch))
    return door


def _first(fetch):
    from integrations.amazon_ses.signing import SAMPLE_CERT_URL

    return fetch(SAMPLE_CERT_URL)


@pytest.mark.parametrize("provider", signing_providers(), ids=lambda provider: provider.slug)
class TestEveryProvider:
    def test_keeps_a_rightly_signed_call_as_it_came(self, provider: Provider, certificates: Door) -> None:
        endpoint = endpoint_of(provider.slug)
        fixture = fixture_of(provider.slug)
        body, headers = signed(endpoint, fixture.body, fixture.headers)

        answer = post(endpoint, body, headers)

        wanted = declared(provider.slug).answer
        assert (answer.status_code, answer.content) == (wanted.status, wanted.body)
        assert only().state == State.RECEIVED
        assert bytes(only().body) == body
        assert not Event.objects.exists(), "the work is done after the answer"

    def test_refuses_a_call_with_one_bit_changed(self, provider: Provider, certificates: Door) -> None:
        endpoint = endpoint_of(provider.slug)
        fixture = fixture_of(provider.slug)
        body, headers = signed(endpoint, fixture.body, fixture.headers)
        middle = len(body) // 2
        changed = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]

        assert post(endpoint, changed, headers).status_code == 401
        assert only().state == State.REFUSED
        assert only().reason

    def test_refuses_a_call_without_a_signature(self, provider: Provider, certificates: Door) -> None:
        endpoint = endpoint_of(provider.slug)
        fixture = fixture_of(provider.slug)

        assert post(endpoint, fixture.body, fixture.headers).status_code == 401
        assert only().state == State.REFUSED

    def test_refuses_everything_while_no_secret_is_set(self, provider: Provider, certificates: Door) -> None:
        endpoint = endpoint_of(provider.slug, secrets={})
        fixture = fixture_of(provider.slug)
        body, headers = signed(endpoint, fixture.body, fixture.headers, secrets=sample_secrets(provider.slug))

        assert post(endpoint, body, headers).status_code == 401
        assert "enter it" in only().reason


def test_takes_a_call_that_stripes_own_sdk_signed() -> None:
    endpoint = endpoint_of("stripe")
    body = fixture_of("stripe", PAID).body
    secret = endpoint.secret_sets()[0]["webhook_signing_secret"]
    stamp = int(timezone.now().timestamp())
    signature = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode()}", secret)

    answer = post(endpoint, body, {"Stripe-Signature": f"t={stamp},v1={signature}"})

    assert answer.status_code == 200
    assert only().call_id == json.loads(body)["id"]


def test_refuses_a_stale_call() -> None:
    endpoint = endpoint_of("stripe")
    old = timezone.now() - timedelta(minutes=10)
    body, headers = signed(endpoint, fixture_of("stripe", PAID).body, when=old)

    assert post(endpoint, body, headers).status_code == 401
    assert "seconds ago" in only().reason


def test_refuses_a_call_signed_with_a_wrong_secret_and_does_not_tell_why() -> None:
    endpoint = endpoint_of("stripe")
    wrong = {"webhook_signing_secret": "whsec_wrong000000000000"}
    body, headers = signed(endpoint, fixture_of("stripe", PAID).body, secrets=wrong)

    answer = post(endpoint, body, headers)

    assert answer.status_code == 401
    assert b"secret" not in answer.content
    assert "signing secret" in only().reason
    assert IntegrationLog.objects.get().kind == "webhook"


def test_takes_old_and_new_secret_while_they_overlap() -> None:
    endpoint = endpoint_of("stripe")
    old = endpoint.secret_sets()[0]
    new = {"webhook_signing_secret": "whsec_new0000000000000000"}
    body = fixture_of("stripe", PAID).body
    endpoint.rotate(new)

    assert post(endpoint, *signed(endpoint, body, secrets=old)).status_code == 200
    assert post(endpoint, *signed(endpoint, body, secrets=new)).status_code == 200

    endpoint.rotate({"webhook_signing_secret": "whsec_newer00000000000000"}, overlap=timedelta(0))
    assert post(endpoint, *signed(endpoint, body, secrets=new)).status_code == 401


def test_a_repetition_is_answered_alike_and_kept_without_its_body() -> None:
    endpoint = endpoint_of("stripe")
    body = fixture_of("stripe", PAID).body

    answers = [call(endpoint, body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert list(ReceivedWebhook.objects.order_by("id").values_list("state", flat=True)) == [
        State.RECEIVED,
        State.DUPLICATE,
        State.DUPLICATE,
    ]
    assert bytes(ReceivedWebhook.objects.last().body) == b""
    first = ReceivedWebhook.objects.earliest("id").pk
    told = list(ReceivedWebhook.objects.order_by("id").values_list("repeats", flat=True))
    assert told == [None, first, first]


def test_a_repetition_gives_a_failed_call_another_chance() -> None:
    endpoint = endpoint_of("stripe")
    body = fixture_of("stripe", PAID).body
    call(endpoint, body)
    ReceivedWebhook.objects.update(state=State.FAILED, due_at=None)

    call(endpoint, body)

    assert ReceivedWebhook.objects.order_by("id").first().state == State.RECEIVED


def test_an_unknown_token_is_told_nothing() -> None:
    endpoint = endpoint_of("stripe")
    endpoint.set_token("x" * 32)

    answer = call(endpoint, b"{}")

    assert answer.status_code == 404
    assert not ReceivedWebhook.objects.exists()


def test_an_endpoint_that_is_switched_off_looks_unknown_but_tells_the_admin() -> None:
    endpoint = endpoint_of("stripe", enabled=False)

    assert call(endpoint, fixture_of("stripe", PAID).body).status_code == 404
    assert "switched off" in only().reason


def test_too_large_a_body_is_refused_unread_naming_the_limit() -> None:
    endpoint = endpoint_of("stripe")

    answer = call(endpoint, b" " * (1024 * 1024 + 1))

    assert answer.status_code == 413
    assert b"1 MiB" in answer.content
    assert bytes(only().body) == b""


def test_the_limit_of_size_is_a_setting(hub) -> None:
    hub(webhook_max_bytes=100)
    endpoint = endpoint_of("stripe")

    answer = call(endpoint, b" " * 101)

    assert answer.status_code == 413
    assert b"100 bytes" in answer.content


def test_the_hundred_and_first_call_of_a_source_waits() -> None:
    endpoint = endpoint_of("stripe")

    statuses = [post(endpoint, b"{}").status_code for _ in range(100)]
    late = post(endpoint, b"{}")

    assert set(statuses) == {401}
    assert late.status_code == 429
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert post(endpoint, b"{}", REMOTE_ADDR="192.0.2.7").status_code == 401, "others are not held up"
    post(endpoint, b"{}")
    assert ReceivedWebhook.objects.filter(reason__contains="more than 100").count() == 1


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(hub) -> None:
    endpoint = endpoint_of("stripe")
    forged = {"X-Forwarded-For": "203.0.113.9"}
    post(endpoint, b"{}", forged, REMOTE_ADDR="198.51.100.1")
    hub(trusted_proxies=("198.51.100.0/24",))
    post(endpoint, b"{}", {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}, REMOTE_ADDR="198.51.100.1")

    seen = list(ReceivedWebhook.objects.order_by("id").values_list("source_ip", flat=True))
    assert seen == ["198.51.100.1", "203.0.113.9"]


def test_refused_calls_are_kept_cut_and_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 5)
    monkeypatch.setattr(store, "REFUSED_BODY", 10)
    endpoint = endpoint_of("stripe")

    for number in range(8):
        post(endpoint, b"%08d and more" % number)

    kept = [bytes(row.body) for row in ReceivedWebhook.objects.order_by("id")]
    assert kept == [b"%08d a" % number for number in range(3, 8)]


def test_what_is_kept_holds_no_credential() -> None:
    secrets = sample_secrets("stripe")
    endpoint = endpoint_of("stripe")
    secret = secrets["webhook_signing_secret"]
    body = fixture_of("stripe", PAID).body
    headers = {
        "Authorization": "Bearer abc",
        "Cookie": "session=1",
        "X-Note": f"it is {secret}",
        "X-Plain": "yes",
    }

    call(endpoint, body, headers, query=f"secret={secret}&a=1")

    held = only()
    assert held.headers["authorization"] == held.headers["cookie"] == "•••"
    assert held.headers["x-plain"] == "yes"
    assert secret not in json.dumps(held.headers) + held.query
    assert held.query.endswith("a=1")


def test_the_signed_address_is_the_configured_one_not_the_hosts() -> None:
    endpoint = endpoint_of("hubspot")
    fixture = fixture_of("hubspot")
    body, headers = signed(endpoint, fixture.body, fixture.headers, query="portal=1&b=%20x")

    good = post(endpoint, body, {**headers, "Host": "127.0.0.1"}, query="portal=1&b=%20x")
    bad = post(endpoint, body, headers, query="portal=2&b=%20x")

    assert (good.status_code, bad.status_code) == (200, 401)


def test_answers_slacks_handshake() -> None:
    endpoint = endpoint_of("slack")
    body = json.dumps({"type": "url_verification", "token": "t", "challenge": "abc123"}).encode()

    answer = call(endpoint, body)

    assert answer.status_code == 200
    assert b"abc123" in answer.content
    assert only().state == State.PROCESSED
    assert post(endpoint, body).status_code == 401, "an unsigned handshake is not answered"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_told_to_post(method: str) -> None:
    answer = post(endpoint_of("stripe"), b"", method=method)

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_browsers_are_answered_only_where_the_provider_declares_their_origin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = endpoint_of("stripe")
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    closed = post(endpoint, b"", asked, method="OPTIONS")
    declaration = declared("stripe")
    monkeypatch.setattr(type(declaration), "cors_origins", ("https://app.example.com",), raising=False)
    opened = post(endpoint, b"", asked, method="OPTIONS")
    foreign = post(endpoint, b"", {**asked, "Origin": "https://evil.example"}, method="OPTIONS")

    assert "Access-Control-Allow-Origin" not in closed.headers
    assert opened.status_code == 204
    assert opened.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_a_certificate_is_fetched_once(certificates: Door) -> None:
    endpoint = endpoint_of("amazon_ses")
    fixture = fixture_of("amazon_ses")

    for _ in range(3):
        call(endpoint, fixture.body, fixture.headers)

    assert len(certificates.requests) == 1


def test_a_certificate_that_cannot_be_fetched_makes_the_provider_try_again(door: Door) -> None:
    endpoint = endpoint_of("amazon_ses")
    fixture = fixture_of("amazon_ses")
    door.fail("GET", lambda sent: True)

    answer = call(endpoint, fixture.body, fixture.headers)

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "could not be fetched" in only().reason


def test_a_fault_in_a_verifier_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(incoming, secrets):
        raise ZeroDivisionError

    monkeypatch.setattr(type(declared("stripe")), "verify", property(lambda self: broken), raising=False)

    assert call(endpoint_of("stripe"), b"{}").status_code == 401


def test_a_provider_without_webhooks_takes_no_calls() -> None:
    endpoint = WebhookEndpointFactory(integration=IntegrationFactory(provider_slug="epic_fhir"))

    assert post(endpoint, b"{}").status_code == 404
    assert "sends no webhooks" in only().reason
