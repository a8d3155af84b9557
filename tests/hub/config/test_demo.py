"""The demo: every provider connected to the sandbox, and traffic that somebody can switch off."""

import dataclasses
from json import loads
from typing import Any

import pytest

from hub.accounts.models import Organization, Role
from hub.config import demo
from hub.config.models import DemoTraffic
from hub.delivery.inputs import build_input
from hub.delivery.models import QueueItem
from hub.delivery.sources import load
from hub.events.intake import Draft, accept_events
from hub.events.models import Event
from hub.sync.models import Record, RunState, SyncRun
from hub.sync.run import run_until_idle
from integrations.base.fixtures import webhook_fixtures
from integrations.base.registry import get_provider, providers
from tests.factories import MembershipFactory
from tests.playing import playing
from webhooks.models import WebhookEndpoint
from webhooks.service import endpoint_url

pytestmark = pytest.mark.django_db


def test_every_provider_is_connected_to_the_sandbox() -> None:
    demo.seed()
    integrations = Organization.objects.get(slug="demo").integrations.all()
    assert {row.provider_slug for row in integrations} == set(providers())
    assert all(row.sandbox for row in integrations)


def test_seeding_again_changes_nothing() -> None:
    demo.seed()
    events = Event.objects.count()
    assert events == demo.FIRST_EVENTS
    assert demo.seed().changes == []
    assert Event.objects.count() == events


def test_every_sample_event_fits_its_schema_and_its_routes() -> None:
    demo.seed()
    organization = Organization.objects.get(slug="demo")
    demo.send_events(organization, 60)
    assert not Event.objects.exclude(warnings=[]).exists()
    items = list(QueueItem.objects.select_related("integration", "mapping"))
    envelopes = load("event", {item.source_id for item in items})
    assert items
    for item in items:
        action = item.integration.provider.action(item.action)
        build_input(action, item.mapping.rules if item.mapping else None, envelopes[item.source_id])


def test_what_providers_tell_by_webhook_fits_its_routes() -> None:
    demo.seed()
    organization = Organization.objects.get(slug="demo")
    QueueItem.objects.all().delete()
    drafts = [
        Draft(f"stripe.{body['type']}", body["data"])
        for body in (loads(fixture.body) for fixture in webhook_fixtures(get_provider("stripe")))
        if body.get("type") == "invoice.paid"
    ]
    assert drafts
    accept_events(organization, drafts, origin="webhook")
    items = list(QueueItem.objects.select_related("integration", "mapping"))
    envelopes = load("event", {item.source_id for item in items})
    assert {item.action for item in items} >= {"contact.upsert", "message.post"}
    for item in items:
        action = item.integration.provider.action(item.action)
        build_input(action, item.mapping.rules if item.mapping else None, envelopes[item.source_id])


def test_its_people_are_records_that_the_syncs_carry(settings: Any) -> None:
    demo.seed()
    with playing() as (_, address):
        settings.HUB = dataclasses.replace(settings.HUB, sandbox_url=address)
        run_until_idle()
    organization = Organization.objects.get(slug="demo")
    assert {run.state for run in SyncRun.objects.all()} == {RunState.COMPLETED}
    ada = Record.objects.get(organization=organization, key="ada@example.com")
    assert ada.data["last_name"] == "Lovelace"
    assert not Record.objects.filter(deleted=True).exists()
    assert ada.data["plan"] == "team", "Stripe's customer is the same person"
    assert {link.integration.slug for link in ada.links.all()} == {"hubspot", "stripe"}
    demo.keep_contact(ada.type, demo.PEOPLE[0])
    ada.refresh_from_db()
    assert ada.data["plan"] == "team"


def test_traffic_stops_when_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    demo.seed()
    monkeypatch.setattr(demo, "send_webhook", lambda organization: None)
    demo.tick()
    assert Event.objects.count() == demo.FIRST_EVENTS + 1
    DemoTraffic.objects.update(running=False)
    demo.tick()
    assert Event.objects.count() == demo.FIRST_EVENTS + 1


def test_its_webhooks_are_rightly_signed(door) -> None:
    demo.seed()
    organization = Organization.objects.get(slug="demo")
    door.answer("POST", lambda sent: "/webhooks/" in sent.url)
    for _ in range(8):
        demo.send_webhook(organization)
    addresses = {endpoint_url(row) for row in WebhookEndpoint.objects.all()}
    assert {sent.url for sent in door.requests} <= addresses
    assert len(door.requests) == 8
    assert len({sent.body for sent in door.requests}) == 8, "each is a call of its own"


def test_an_operator_switches_the_traffic_off_and_on(client) -> None:
    demo.seed()
    organization = Organization.objects.get(slug="demo")
    client.force_login(MembershipFactory(organization=organization, role=Role.OPERATOR).user)
    page = f"/admin/accounts/organization/{organization.pk}"
    assert "Stop the demo" in client.get(f"{page}/change/").content.decode()
    assert client.post(f"{page}/do/stop-demo/").status_code == 302
    assert not DemoTraffic.objects.get().running
    assert client.post(f"{page}/do/start-demo/").status_code == 302
    assert DemoTraffic.objects.get().running
    client.force_login(MembershipFactory(organization=organization, role=Role.VIEWER).user)
    assert client.post(f"{page}/do/stop-demo/").status_code == 403
