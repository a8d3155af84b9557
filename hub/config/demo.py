"""The demo organization: made from ``demo.yaml``, and kept alive with sample traffic."""

import logging
import uuid
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.quotas import QuotaExceeded
from hub.config.changes import Report
from hub.config.document import Document, IntegrationEntry, read_document
from hub.config.models import DemoTraffic
from hub.config.service import apply
from hub.delivery.jobs import register_scheduled_job
from hub.events.intake import Draft, accept_events
from hub.events.models import EventType
from hub.lib import outbound
from hub.sync.models import Record, RecordType
from hub.sync.records import read_row, upsert
from hub.sync.starting import start
from integrations.base.fixtures import webhook_fixtures
from integrations.base.registry import providers
from webhooks.models import WebhookEndpoint
from webhooks.service import endpoint_url

logger = logging.getLogger(__name__)

DOCUMENT = Path(__file__).with_name("demo.yaml")
FIRST_EVENTS = 20
#: Seconds between two sample events.
EVERY = 60.0
#: One in so many ticks also sends a webhook.
WEBHOOK_ONE_IN = 3
#: One in so many changes a record.
RECORD_ONE_IN = 5
DICE = SystemRandom()
PEOPLE = (
    ("Ada", "Lovelace", "Analytical Engines"),
    ("Grace", "Hopper", "Cobol & Co"),
    ("Emmy", "Noether", "Invariants"),
    ("Alan", "Turing", "Bombe Works"),
    ("Mary", "Somerville", "Connexion"),
    ("George", "Boole", "True & False"),
)


def register() -> None:
    """Called once, when the apps are ready."""
    register_scheduled_job("demo traffic", EVERY, tick)


def seed() -> Report:
    """Make the demo organization, or bring it back to what it should be; its first events only once."""
    report = apply(document(), environ={})
    organization = Organization.objects.get(slug=document().organization.slug)
    _, first_time = DemoTraffic.objects.get_or_create(organization=organization)
    if first_time:
        send_events(organization, FIRST_EVENTS)
        first_records(organization)
    return report


def document() -> Document:
    """Return the demo's document, with an integration for each provider that it does not mention."""
    demo = read_document(DOCUMENT.read_text(encoding="utf-8"))
    mentioned = {entry.provider for entry in demo.integrations}
    for provider in providers().values():
        if provider.slug not in mentioned:
            slug = provider.slug.replace("_", "-")
            demo.integrations.append(
                IntegrationEntry(slug=slug, provider=provider.slug, name=provider.name, sandbox=True)
            )
    return demo


def tick() -> None:
    """Send a sample event, now and then a webhook or a changed record, wherever the demo's traffic is on."""
    for traffic in DemoTraffic.objects.filter(running=True).select_related("organization"):
        # A quota may be used up: the demo takes part in it like any sender.
        with suppress(QuotaExceeded):
            send_events(traffic.organization, 1)
        if DICE.randrange(RECORD_ONE_IN) == 0:
            for contacts in traffic.organization.record_types.filter(name="contact"):
                keep_contact(contacts, DICE.choice(PEOPLE))
        if DICE.randrange(WEBHOOK_ONE_IN) == 0:
            send_webhook(traffic.organization)


def send_events(organization: Organization, count: int) -> None:
    """Accept ``count`` sample events, made from the examples of the registered event types."""
    types = list(EventType.objects.filter(organization=organization, example__isnull=False))
    drafts = [_draft(DICE.choice(types)) for _ in range(count if types else 0)]
    accept_events(organization, drafts)


def _draft(event_type: EventType) -> Draft:
    data = vary(event_type.example, DICE.choice(PEOPLE))
    subject = data.get("id", "") if isinstance(data, dict) else ""
    return Draft(event_type.name, data, subject=str(subject), source="/demo")


def vary(value: Any, person: tuple[str, str, str]) -> Any:
    """Return ``value`` as it would be for ``person``, with numbers of its own."""
    first, last, company = person
    known = {"first_name": first, "last_name": last, "company": company}
    known["email"] = _email(first)
    if not isinstance(value, dict):
        return value
    return {name: known.get(name, _vary_one(name, inner, person)) for name, inner in value.items()}


def _email(first: str) -> str:
    return f"{first}@example.com".lower()


def _vary_one(name: str, value: Any, person: tuple[str, str, str]) -> Any:
    if name == "id":
        return f"A-{DICE.randrange(1000, 100_000)}"
    if name in ("total", "amount"):
        return round(DICE.uniform(5, 300), 2)
    if name == "server":
        return f"web-{DICE.randrange(1, 9)}"
    return vary(value, person)


def first_records(organization: Organization) -> None:
    """Keep the sample people as records, and have each of the organization's syncs run once."""
    contacts = organization.record_types.get(name="contact")
    for person in PEOPLE:
        keep_contact(contacts, person)
    for sync in organization.syncs.all():
        start(sync, origin="schedule")


def keep_contact(contacts: RecordType, person: tuple[str, str, str]) -> None:
    """Write one of the sample people, who has a new telephone number now and then."""
    first, last, company = person
    phone = f"+44 20 7946 {DICE.randrange(1000):04}"
    row = {"email": _email(first), "first_name": first, "last_name": last, "company": company, "phone": phone}
    # What the integrations told of them stays.
    before = Record.objects.filter(type=contacts, key=row["email"]).values_list("data", flat=True).first()
    upsert(contacts, [read_row(contacts, {**(before or {}), **row})])


def send_webhook(organization: Organization) -> None:
    """Call one of the organization's own endpoints as its provider would, rightly signed."""
    endpoints = [
        endpoint
        for endpoint in organization.webhook_endpoints.filter(enabled=True).select_related("integration")
        if endpoint.integration.sandbox
    ]
    if not endpoints:
        return
    try:
        _call(DICE.choice(endpoints))
    except outbound.OutboundError as error:
        logger.info("The demo's webhook did not arrive: %s", error)


def _call(endpoint: WebhookEndpoint) -> None:
    provider = endpoint.integration.provider
    webhook = provider.webhook
    fixtures = [fixture for fixture in webhook_fixtures(provider) if fixture.method == "POST"]
    if webhook is None or webhook.sign is None or not fixtures:
        return
    fixture = DICE.choice(fixtures)
    body = fixture.body
    for notice in fixture.notices:
        body = body.replace(str(notice["id"]).encode(), f"demo_{uuid.uuid4().hex}".encode())
    url = endpoint_url(endpoint)
    signed = webhook.sign(body, endpoint.secret_sets()[0], url, timezone.now())
    own = urlsplit(settings.HUB.url)
    policy = outbound.Policy(allowed_hosts=frozenset({own.netloc, own.hostname or ""}), read_timeout=10)
    headers = {"Content-Type": "application/json", **fixture.headers, **signed}
    outbound.send("POST", url, headers, body, policy)
