"""The signature tool: why a call is proved or not, whatever pasting did to it; samples that prove."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Membership, Role
from tests import factories as make
from tests.webhooks.calls import declared, endpoint_of, fixture_of, post, signed, signing_providers
from webhooks import signature
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.signature import Unsigned, Verdict

pytestmark = pytest.mark.django_db
BODY = b'{"id": "evt_1",\n "type": "invoice.paid"}'


def verdict(endpoint: WebhookEndpoint, headers: dict[str, str], body: bytes) -> Verdict:
    names = {name.lower(): value for name, value in headers.items()}
    call = signature.incoming(endpoint, names, body)
    return signature.check(endpoint, declared(endpoint.integration.provider_slug), call)


@pytest.mark.parametrize("slug", [provider.slug for provider in signing_providers()])
def test_a_sample_of_every_provider_is_proved_or_says_who_alone_can_sign(slug: str) -> None:
    endpoint = endpoint_of(slug)
    webhook = declared(slug)
    fixture = fixture_of(slug)
    if webhook.sample_fetch is not None:
        with pytest.raises(Unsigned, match="Only the provider can sign"):
            signature.sample(endpoint, webhook, fixture.body, fixture.headers)
        return
    made = signature.sample(endpoint, webhook, fixture.body, fixture.headers)
    found = verdict(endpoint, signature.read_headers(made.headers), made.body.encode())
    assert found.proved, found.reason
    assert all(each.ok for each in found.headers)
    assert post(endpoint, made.body.encode(), signature.read_headers(made.headers)).status_code < 300


def test_the_former_secret_is_told_from_the_present_one() -> None:
    endpoint = endpoint_of("stripe")
    body, headers = signed(endpoint, BODY)
    endpoint.rotate({"webhook_signing_secret": "whsec_another000000000"})
    found = verdict(endpoint, headers, body)
    assert found.proved
    assert "former secret" in found.reason
    endpoint.end_overlap()
    assert not verdict(endpoint, headers, body).proved


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        (BODY + b"\n", "no newline at the end"),
        (BODY.replace(b"\n", b"\r\n"), "no newline at the end"),
    ],
)
def test_what_pasting_did_to_the_body_is_named(pasted: bytes, words: str) -> None:
    endpoint = endpoint_of("stripe")
    _, headers = signed(endpoint, BODY)
    found = verdict(endpoint, headers, pasted)
    assert not found.proved
    assert words in found.otherwise


def test_a_body_that_was_made_pretty_is_named() -> None:
    endpoint = endpoint_of("stripe")
    _, headers = signed(endpoint, b'{"id":"evt_1","total":1}')
    found = verdict(endpoint, headers, json.dumps({"id": "evt_1", "total": 1}, indent=2).encode())
    assert "without spaces" in found.otherwise


def test_a_right_signature_that_is_old_is_told_from_a_wrong_one() -> None:
    endpoint = endpoint_of("stripe")
    body, headers = signed(endpoint, BODY, when=timezone.now() - timedelta(hours=2))
    found = verdict(endpoint, headers, body)
    assert not found.proved
    assert "The signature itself is right, but it was made 120 minutes ago" in found.otherwise
    assert verdict(endpoint, headers, body + b"x").otherwise == ""


def test_a_missing_header_is_named() -> None:
    found = verdict(endpoint_of("stripe"), {}, BODY)
    assert [(each.name, each.ok) for each in found.headers] == [("Stripe-Signature", False)]
    assert "Stripe-Signature is missing" in found.reason


def test_without_a_secret_nothing_is_proved_nor_signed() -> None:
    endpoint = endpoint_of("stripe", secrets={})
    assert "Signing secret is not set" in verdict(endpoint, {}, BODY).reason
    with pytest.raises(Unsigned, match="Enter Signing secret first"):
        signature.sample(endpoint, declared("stripe"), BODY)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A: 1\n\nB-c: x: y", {"a": "1", "b-c": "x: y"}),
        ("  -H 'A: 1' \\\n  -H \"B: 2\"", {"a": "1", "b": "2"}),
        ('{"A": 1, "B": "2"}', {"a": "1", "b": "2"}),
        ("", {}),
    ],
)
def test_headers_are_read_in_the_forms_that_people_have(text: str, found: dict[str, str]) -> None:
    assert signature.read_headers(text) == found


@pytest.mark.parametrize(("text", "sentence"), [("A: 1\nnothing", "Line 2"), ('{"A": ', "none")])
def test_a_line_that_is_no_header_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        signature.read_headers(text)


def browser(membership: Membership) -> Client:
    client = Client()
    client.force_login(membership.user)
    return client


def tool(endpoint: WebhookEndpoint) -> str:
    return reverse("admin:webhooks_webhookendpoint_signature", args=[endpoint.pk])


def own_endpoint(membership: Membership, **fields: Any) -> WebhookEndpoint:
    integration = make.IntegrationFactory(organization=membership.organization, provider_slug="stripe")
    return endpoint_of("stripe", integration=integration, **fields)


def test_a_refused_call_is_taken_into_the_tool_and_explained() -> None:
    membership = make.MembershipFactory()
    endpoint, client = own_endpoint(membership), browser(membership)
    other = {"webhook_signing_secret": "whsec_other123"}
    body, headers = signed(endpoint, b'{"id":"evt_1"}\r\n', secrets=other)
    assert post(endpoint, body, headers).status_code == 401
    kept = ReceivedWebhook.objects.get()
    page = client.get(f"/admin/webhooks/receivedwebhook/{kept.pk}/change/").text
    assert f"{tool(endpoint)}?call={kept.pk}" in page
    form = client.get(tool(endpoint), {"call": kept.pk}).context["form"]
    filled = {name: form[name].value() or "" for name in form.fields}
    assert "Not proved" in client.post(tool(endpoint), filled).text
    # The kept bytes are checked, not what a text area makes of their line ends.
    endpoint.keys = {**endpoint.keys, "current": other}
    endpoint.save()
    assert "Proved: such a call is taken." in client.post(tool(endpoint), filled).text
    assert ReceivedWebhook.objects.count() == 1


def test_a_sample_is_made_and_shown_without_the_secret() -> None:
    membership = make.MembershipFactory()
    endpoint, client = own_endpoint(membership), browser(membership)
    text = client.get(tool(endpoint), {"sample": "stripe.invoice.paid"}).text
    assert "curl -X POST" in text
    assert endpoint.secret_sets()[0]["webhook_signing_secret"] not in text
    wrong = client.post(tool(endpoint), {"headers": "nothing", "body": "{}"})
    assert wrong.status_code == 422
    assert "Line 1 of the headers" in wrong.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_test_and_sign(role: Role) -> None:
    admin = make.MembershipFactory()
    endpoint = own_endpoint(admin)
    member = make.MembershipFactory(organization=admin.organization, role=role)
    client = browser(member)
    assert client.get(tool(endpoint)).status_code == 403
    assert client.post(tool(endpoint), {"body": "{}"}).status_code == 403
    assert browser(make.MembershipFactory()).get(tool(endpoint)).status_code == 404
