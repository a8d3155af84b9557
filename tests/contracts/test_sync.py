"""Records both ways over real sockets, each request held against the provider's own description."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hub.connections import client
from hub.delivery.models import IntegrationLog, LogKind
from hub.mapping.models import FieldMapping
from hub.sync.models import Direction, ExternalLink, Record, RecordType, RunState, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from tests.connecting import connected_for_sync
from tests.factories import OrganizationFactory, RecordTypeFactory

pytestmark = pytest.mark.django_db(transaction=True)

TO_HUBSPOT = [
    {"source": "data.email", "target": "email"},
    {"source": "data.name", "target": "last_name"},
]
FROM_HUBSPOT = [
    {"source": "data.properties.email || join('', [data.id, '@unknown.example'])", "target": "email"},
    {"source": "data.properties.lastname", "target": "name"},
]
FROM_STRIPE = [
    {"source": "data.email || join('', [data.id, '@unknown.example'])", "target": "email"},
    {"source": "data.name", "target": "name"},
]


@pytest.fixture
def people(contracts: Any, monkeypatch: pytest.MonkeyPatch) -> RecordType:
    """Records of people; every integration speaks to the server with the descriptions."""
    monkeypatch.setattr(client, "sandbox_of", lambda integration: contracts.url(integration.provider_slug))
    return RecordTypeFactory(
        organization=OrganizationFactory(), name="person", key_field="email", subject_field="name"
    )


@pytest.fixture
def sync(people: RecordType) -> Callable[..., Sync]:
    """Set up a sync of people with a provider."""

    def make(slug: str, direction: Direction, action: str, rules: list[dict[str, Any]]) -> Sync:
        mapping = FieldMapping.objects.create(
            organization=people.organization,
            name=f"{slug} {direction}",
            slug=f"{slug}-{direction}",
            rules=rules,
        )
        return Sync.objects.create(
            organization=people.organization,
            name=f"{slug} {direction}",
            slug=f"{slug}-{direction}",
            type=people,
            integration=connected_for_sync(people.organization, slug),
            direction=direction,
            action=action,
            mapping=mapping,
        )

    return make


def go(one: Sync) -> SyncRun:
    run = start(one)
    run_until_idle()
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED, run.message
    return run


def kept(contracts: Any) -> None:
    assert contracts.violations == [], json.dumps(contracts.violations, indent=2)


def seen(contracts: Any, path: str) -> list[Any]:
    return [request for request in contracts.requests if request.path.endswith(path)]


def test_hubspots_contacts_are_upserted_a_hundred_at_a_time(contracts: Any, people: RecordType, sync: Any):
    push = sync("hubspot", Direction.PUSH, "contact.upsert", TO_HUBSPOT)
    addresses = [f"n{n}@example.com" for n in range(150)]
    upsert(people, [Given(one, {"email": one, "name": one[:3]}) for one in addresses])
    contracts.fail_next("hubspot", status=503, times=1)
    run = go(push)
    kept(contracts)
    assert (run.created + run.rejected, run.total) == (150, 150)
    calls = seen(contracts, "/contacts/batch/upsert")
    answered = [call for call in calls if call.status < 300]
    sent = [entry["id"] for call in answered for entry in call.body["inputs"]]
    assert sorted(sent) == sorted(addresses)
    assert max(len(call.body["inputs"]) for call in answered) == 100
    logs = IntegrationLog.objects.filter(kind=LogKind.SYNC, item_id=run.pk)
    assert logs.filter(outcome="transient").count() == 1
    contracts.clear()
    assert go(push).unchanged == run.created


def test_hubspots_contacts_come_in_and_do_not_go_back(contracts: Any, people: RecordType, sync: Any):
    pull = sync("hubspot", Direction.PULL, "contacts", FROM_HUBSPOT)
    push = sync("hubspot", Direction.PUSH, "contact.upsert", TO_HUBSPOT)
    run = go(pull)
    kept(contracts)
    assert seen(contracts, "/objects/contacts")
    assert run.created == Record.objects.count() > 0
    assert ExternalLink.objects.exclude(external_id="").count() == run.created
    again = go(push)
    assert (again.unchanged, again.created, again.updated) == (run.created, 0, 0)
    assert not seen(contracts, "/batch/upsert")
    go(pull)
    kept(contracts)
    assert seen(contracts, "/contacts/search")  # the second time only what changed


def test_stripes_customers_become_records(contracts: Any, people: RecordType, sync: Any):
    pull = sync("stripe", Direction.PULL, "stripe.customers", FROM_STRIPE)
    run = go(pull)
    kept(contracts)
    assert seen(contracts, "/v1/customers")
    assert (run.created, run.rejected) == (Record.objects.count(), 0)
    assert run.created > 0
    go(pull)
    kept(contracts)


def test_hubspots_companies_go_both_ways(contracts: Any, people: RecordType, sync: Any):
    rules = [{"source": "data.email", "target": "domain"}, {"source": "data.name", "target": "name"}]
    push = sync("hubspot", Direction.PUSH, "company.upsert", rules)
    upsert(people, [Given(one, {"email": one, "name": "Inc."}) for one in ("a.example", "b.example")])
    assert go(push).created == 2
    kept(contracts)
    assert len(seen(contracts, "/companies/batch/upsert")) == 1
    pull = sync("hubspot", Direction.PULL, "companies", FROM_HUBSPOT)
    assert go(pull).rejected == 0
    kept(contracts)
    assert seen(contracts, "/objects/companies")


def test_stripes_customers_go_out_one_by_one(contracts: Any, people: RecordType, sync: Any):
    rules = [{"source": "data.email", "target": "email"}, {"source": "data.name", "target": "name"}]
    push = sync("stripe", Direction.PUSH, "customer.upsert", rules)
    addresses = [f"n{n}@example.com" for n in range(3)]
    upsert(people, [Given(one, {"email": one, "name": one[:2]}) for one in addresses])
    contracts.fail_next("stripe", status=429, headers={"Retry-After": "0"}, times=1)
    run = go(push)
    kept(contracts)
    assert (run.created + run.updated, run.rejected) == (3, 0)
    written = [call for call in contracts.requests if call.method == "POST" and call.status < 300]
    assert sorted(call.body["email"] for call in written if "email" in call.body) == addresses
    assert len({call.headers["Idempotency-Key"] for call in written}) == len(written)
    assert go(push).unchanged == 3
