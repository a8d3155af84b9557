"""A secret that was entered is found nowhere again: pages, API, log lines, messages, exports, database.

Every provider is connected under every way to authenticate, with a sentinel in each secret; a peer
that answers with all it was sent, as some do in their errors, makes it worse.
"""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Role
from hub.connections.check import run_connection_test
from hub.connections.models import Credential, Integration
from hub.connections.service import save_integration
from hub.delivery import wake
from hub.delivery.models import IntegrationLog, QueueItem, State
from hub.delivery.preview import preview
from hub.events.envelopes import envelope_of
from hub.lib import outbound
from integrations.base.fixtures import FixtureError, call_fixture, fixture_transport, webhook_fixtures
from integrations.base.http import Outgoing
from integrations.base.provider import Provider
from integrations.base.registry import get_provider, providers
from tests import factories as make
from tests.hub.dashboard.world import World
from tests.hub.delivery.conftest import make_dispatcher
from tests.security.addresses import operations, pages_of, plain_pages
from tests.security.planting import ciphertexts, columns, holders, plant
from tests.webhooks.calls import call, post
from webhooks.models import ReceivedWebhook, WebhookEndpoint
from webhooks.process import process_due
from webhooks.service import create_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

ACCESS, REFRESH = "ACCESStokenq7Zx41vKp0", "REFRESHtokenq7Zx41vKp0"
WAYS = [(slug, scheme.key) for slug, provider in providers().items() for scheme in provider.auth]
#: What the echoing peer answers with, one after the other.
STATUSES = (400, 401, 422, 500, 200)


class Peer:
    """Answers from the provider's fixtures, or with everything that it was sent."""

    def __init__(self, provider: Provider):
        self._answer = fixture_transport(provider)
        self.echoes = False
        self.count = 0

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        policy: outbound.Policy,
        ready: Callable[[], None] | None = None,
    ) -> outbound.Response:
        self.count += 1
        if not self.echoes:
            return self._answer(Outgoing(method, url, dict(headers), body), policy)
        said = f"{method} {url} {dict(headers)} {(body or b'').decode('utf-8', 'replace')}"
        told = {"error": {"message": said, "type": "refused"}, "message": said, "errors": [{"message": said}]}
        names = {"content-type": "application/json", "x-echo": said[:2000].replace("\n", " ")}
        return outbound.Response(STATUSES[self.count % len(STATUSES)], names, json.dumps(told).encode(), url)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[Any]:
    """What is sent to Celery's broker; the hub believes it has one."""
    sent: list[Any] = []
    settings.HUB = dataclasses.replace(settings.HUB, broker_url="memory://")
    monkeypatch.setattr(wake.app, "send_task", lambda *args, **kwargs: sent.append((args, kwargs)))
    return sent


@pytest.mark.parametrize(("slug", "auth"), WAYS, ids=lambda value: value or "plain")
def test_a_planted_secret_is_found_nowhere(
    slug: str,
    auth: str,
    messages: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "factory")  # tells what it makes, secrets too
    provider = get_provider(slug)
    peer = Peer(provider)
    monkeypatch.setattr(outbound, "send", peer.send)
    values, needles = plant(provider.fields_for(auth))
    needles |= {ACCESS, REFRESH}
    organization = make.OrganizationFactory()
    integration = save_integration(
        organization, slug, name="Planted", slug="planted", auth_key=auth, values=values, sandbox=True
    )
    if provider.scheme(auth).token is not None:
        credential = Credential.objects.get(integration=integration)
        tokens = {"access_token": ACCESS, "refresh_token": REFRESH, "expires_at": time.time() + 3600}
        credential.tokens = tokens
        credential.save()
    endpoint, planted = _endpoint(integration)
    needles |= planted
    key = make.api_key(organization)

    previews = _use(integration, peer, endpoint)
    texts = [*previews, *_told(integration, endpoint, key, values)]
    needles.add(key)
    texts += [("the log", caplog.text), ("messages to the broker", str(messages))]
    texts += [("a log record", str(vars(record))) for record in caplog.records]
    texts += columns()
    assert holders(needles, texts) == []
    assert peer.count
    assert all(text.startswith("v1.") for text in ciphertexts())
    assert holders(needles, [("a ciphertext", text) for text in ciphertexts()]) == []


def _endpoint(integration: Integration) -> tuple[WebhookEndpoint | None, set[str]]:
    webhook = integration.provider.webhook
    if webhook is None:
        return None, set()
    values, needles = plant(webhook.fields)
    return create_endpoint(integration, "Planted", values), needles


def _use(integration: Integration, peer: Peer, endpoint: WebhookEndpoint | None) -> list[tuple[str, str]]:
    """Test, deliver, preview and receive, with a peer that is polite and one that repeats everything."""
    previews = []
    for peer.echoes in (False, True):
        for _ in STATUSES if peer.echoes else "1":
            run_connection_test(integration)
        for event, action in _events(integration):
            make.QueueItemFactory(integration=integration, event=event, action=action)
            shown = preview(integration, action, None, envelope_of(event))
            previews.append((f"the preview of {action}", str(dataclasses.asdict(shown))))
        _deliver()
    _deliver()
    if endpoint is not None:
        _receive(endpoint)
    return previews


def _events(integration: Integration) -> list[tuple[Any, str]]:
    found = []
    for action in integration.provider.actions:
        try:
            data = call_fixture(integration.provider, "actions", action.name).input
        except FixtureError:
            continue
        found.append((make.EventFactory(organization=integration.organization, data=data), action.name))
    return found


def _deliver() -> None:
    """Try everything that waits once more, as if its time had come and somebody had pressed on."""
    past = timezone.now() - timedelta(seconds=1)
    QueueItem.objects.exclude(state=State.COMPLETED).update(
        state=State.PENDING, due_at=past, claim_order=past.timestamp()
    )
    Integration.objects.update(status="active", circuit="closed", blocked_until=None, failure_streak=0)
    dispatcher = make_dispatcher()
    dispatcher.run_until_idle()
    dispatcher.shut_down(deadline=2)


def _receive(endpoint: WebhookEndpoint) -> None:
    """A call that is signed, one that is not, and one whose headers give the secret away."""
    provider = endpoint.integration.provider
    for fixture in webhook_fixtures(provider)[:2]:
        call(endpoint, fixture.body, fixture.headers)
        post(endpoint, fixture.body, fixture.headers)
    secret = next(iter(endpoint.secret_sets()[0].values()), "")
    post(endpoint, b"{}", {"authorization": f"Bearer {secret}", "x-api-key": secret})
    process_due()


def _told(
    integration: Integration, endpoint: WebhookEndpoint | None, key: str, values: dict[str, Any]
) -> list[tuple[str, str]]:
    """Everything the hub tells somebody who may ask for it all."""
    organization = integration.organization
    rows: dict[str, Any] = {"integration": integration, "organization": organization}
    # A few of each: the columns that all of them are made of are searched as a whole.
    tables: tuple[Any, ...] = (IntegrationLog, QueueItem, ReceivedWebhook)
    kept = [row for table in tables for row in table.objects.order_by("-pk")[:4]]
    rows |= {f"{type(row).__name__} {row.pk}": row for row in kept}
    rows |= {"log": kept[0], **({"endpoint": endpoint} if endpoint else {})}
    world = World(organization, rows)
    world.users["admin"] = make.MembershipFactory(organization=organization, role=Role.ADMIN).user
    client = world.client("admin")
    pages = [address for address in [*pages_of(world), *plain_pages()] if "/do/" not in address]
    texts = [(address, client.get(address).text) for address in pages]

    form = {f"f_{name}": str(value) for name, value in values.items()} | {"name": "", "slug": "!"}
    entered = {**form, "auth_key": integration.auth_key, "organization": organization.pk}
    for address in (
        reverse("admin:connections_connect_provider", args=[integration.provider_slug]),
        reverse("admin:connections_integration_edit", args=[integration.pk]),
    ):
        texts.append((f"the form at {address} given back", client.post(address, entered).text))

    headers = {"Authorization": f"Bearer {key}"}
    for method, path, _ in operations():
        address = path.replace("{integration}", integration.slug)
        address = address.replace("{id}", str(kept[0].source_id or integration.pk))
        query = {"exchanges": "true"} if path.endswith("logs") and method == "get" else {}
        answer = client.generic(
            method.upper(),
            address,
            b"" if query else b"{}",
            "application/json",
            query_params=query,
            headers=headers,
        )
        texts.append((f"{method} {path}", answer.text))
    out = StringIO()
    call_command("export", organization=organization.slug, stdout=out)
    return [*texts, ("the export", out.getvalue()), ("the traffic", repr(integration) + str(endpoint))]
