"""Records of real shapes both ways, through the providers that are there, over loopback."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.connections import client
from hub.mapping.models import FieldMapping
from hub.sync.models import Direction, ExternalLink, Record, RecordType, RunState, Sync, SyncRun
from hub.sync.records import Given, delete, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from tests.connecting import connected_for_sync
from tests.factories import OrganizationFactory, RecordTypeFactory
from tests.hub.sync.far_sides import FhirServer, SalesforceOrg
from tests.playing import playing
from tests.servers import serving

pytestmark = pytest.mark.django_db(transaction=True)

MakeSync = Callable[..., Sync]
SYSTEM = "urn:oid:2.16.840.1.113883.3.0.0"


@pytest.fixture
def people(db: Any) -> RecordType:
    return RecordTypeFactory(organization=OrganizationFactory(), name="person", subject_field="name")


@pytest.fixture
def sync(people: RecordType) -> MakeSync:
    """Set up a sync of a type with a provider; both directions share one integration."""

    def make_one(slug: str, action: str, *rules: tuple[str, str], pull: bool = False) -> Sync:
        direction = Direction.PULL if pull else Direction.PUSH
        mapping = FieldMapping.objects.create(
            organization=people.organization,
            name=action,
            slug=f"{direction}-{action}".replace(".", "-"),
            rules=[{"source": source, "target": target} for source, target in rules],
        )
        return Sync.objects.create(
            organization=people.organization,
            name=action,
            slug=f"{direction}-{action}".replace(".", "-"),
            type=people,
            integration=connected_for_sync(people.organization, slug),
            direction=direction,
            action=action,
            mapping=mapping,
            id_path="Id || id",
        )

    return make_one


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let every integration speak to a port of this machine, whatever its address is."""

    def point(port: int) -> None:
        monkeypatch.setattr(client, "sandbox_of", lambda integration: f"http://127.0.0.1:{port}")

    return point


@pytest.fixture
def fhir(at: Callable[[int], None]) -> Iterator[FhirServer]:
    with serving(side := FhirServer()) as server:
        at(server.port)
        yield side


@pytest.fixture
def org(at: Callable[[int], None]) -> Iterator[SalesforceOrg]:
    with serving(side := SalesforceOrg()) as server:
        at(server.port)
        yield side


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The built-in sandbox, which answers with the providers' own shapes."""
    with playing() as (_, url):
        monkeypatch.setattr(client, "sandbox_of", lambda integration: f"{url}/{integration.provider_slug}")
        yield


def go(one: Sync, **options: Any) -> SyncRun:
    run = start(one, **options)
    run_until_idle()
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED, run.message
    return run


def keep(kind: RecordType, *rows: dict[str, Any]) -> None:
    upsert(kind, [Given(row["id"], row) for row in rows])


TO_FHIR = (
    (f"'{SYSTEM}'", "identifier_system"),
    ("data.id", "identifier"),
    ("data.family", "family"),
    ("data.born", "birth_date"),
)
FROM_FHIR = (
    ("data.identifier[0].value", "id"),
    ("data.name[0].family", "family"),
    ("data.birthDate", "born"),
)


def patient(number: int, family: str = "", born: str = "1987-09-12") -> dict[str, str]:
    return {"id": str(number), "family": family or f"F{number}", "born": born}


def test_patients_go_in_transactions_and_a_refused_one_fails_alone(
    people: RecordType, sync: MakeSync, fhir: FhirServer
):
    push = sync("epic_fhir", "epic_fhir.patient.upsert", *TO_FHIR)
    rows = [patient(1), patient(2, "REFUSED"), patient(3), patient(4, born="1990-13-01")]
    keep(people, *rows)
    run = go(push)
    assert (run.created, run.rejected) == (2, 2)
    reasons = dict(run.rejected_rows.values_list("key", "reason"))
    assert "No." in reasons["2"]
    assert "birthDate" in reasons["4"]
    assert [len(urls) for urls in fhir.bundles] == [3, 2]
    assert sorted(one["name"][0]["family"] for one in fhir.resources.values()) == ["F1", "F3"]
    assert set(ExternalLink.objects.exclude(external_id="").values_list("external_id", flat=True)) == {
        one["id"] for one in fhir.resources.values()
    }
    keep(people, patient(1, "New"))
    run = go(push)
    assert (run.created, run.updated, run.unchanged) == (0, 1, 1)
    assert max(fhir.writes.values()) == 2
    assert sum(fhir.writes.values()) == 3


def test_patients_are_read_page_by_page_and_do_not_go_back(
    people: RecordType, sync: MakeSync, fhir: FhirServer
):
    for number in range(5):
        who = {"id": f"p{number}", "resourceType": "Patient", "name": [{"family": f"F{number}"}]}
        number_of = [{"system": SYSTEM, "value": str(number)}]
        fhir.resources[str(number)] = {**who, "birthDate": "1987-09-12", "identifier": number_of}
    run = go(sync("epic_fhir", "patients", *FROM_FHIR, pull=True))
    assert run.created == 5
    assert Record.objects.get(key="3").data == {"id": "3", "family": "F3", "born": "1987-09-12"}
    assert go(sync("epic_fhir", "epic_fhir.patient.upsert", *TO_FHIR)).unchanged == 5
    assert fhir.bundles == []


def test_observations_go_out_and_come_in(people: RecordType, sync: MakeSync, fhir: FhirServer):
    push = sync(
        "epic_fhir",
        "epic_fhir.observation.upsert",
        (f"'{SYSTEM}'", "identifier_system"),
        ("data.id", "identifier"),
        ("data.patient", "patient_id"),
        ("'8867-4'", "code"),
        ("data.rate", "value"),
        ("'/min'", "unit"),
    )
    keep(people, {"id": "o1", "patient": "p1", "rate": 72}, {"id": "o2", "patient": "p1", "rate": 75})
    assert go(push).created == 2
    (first, _) = fhir.resources.values()
    assert first["valueQuantity"]["value"] == 72
    assert first["subject"] == {"reference": "Patient/p1"}
    first["valueQuantity"]["value"] = 80
    pull = sync(
        "epic_fhir",
        "observations",
        ("data.identifier[0].value", "id"),
        ("data.valueQuantity.value", "rate"),
        pull=True,
    )
    run = go(pull)
    assert (run.updated, run.unchanged) == (1, 1)
    assert Record.objects.get(key="o1").data == {"id": "o1", "patient": "p1", "rate": 80}


TO_SALESFORCE = (
    ("join('', [data.id, '@example.com'])", "email"),
    ("data.name", "last_name"),
    ("data.phone", "phone"),
)


def test_salesforce_takes_collections_and_refuses_rows_by_themselves(
    people: RecordType, sync: MakeSync, org: SalesforceOrg
):
    push = sync("salesforce", "contact.upsert", *TO_SALESFORCE)
    keep(people, *({"id": f"n{n}", "name": f"N{n}" if n else ""} for n in range(250)))
    run = go(push)
    assert (run.created, run.rejected, sorted(org.collections)) == (249, 1, [50, 200])
    refused = run.rejected_rows.get()
    assert (refused.key, "LastName" in refused.reason) == ("n0", True)
    assert set(org.writes.values()) == {1}
    keep(people, {"id": "n0", "name": "Now"})
    mended = go(push, retry_of=run)
    assert (mended.created, mended.total) == (1, 1)
    assert go(push).unchanged == 250
    assert set(org.writes.values()) == {1}


def test_salesforce_is_read_by_what_changed_and_its_deletions_are_noticed(
    people: RecordType, sync: MakeSync, org: SalesforceOrg
):
    push = sync("salesforce", "contact.upsert", *TO_SALESFORCE)
    keep(people, *({"id": f"n{n}", "name": f"N{n}"} for n in range(5)))
    go(push)
    pull = sync("salesforce", "contacts", ("data.LastName", "name"), pull=True)
    org.records["n1@example.com"] |= {"LastName": "Changed"}
    org.records["n2@example.com"] |= {"IsDeleted": True}
    run = go(pull)
    assert (run.updated, run.deleted, run.unchanged) == (1, 1, 3)
    assert Record.objects.get(key="n1").data["name"] == "Changed"
    assert Record.objects.get(key="n2").deleted
    go(pull)
    assert ["WHERE SystemModstamp >=" in soql for soql in org.asked] == [False, True]
    assert go(push).updated == 0


def test_hubspots_contacts_go_both_ways(people: RecordType, sync: MakeSync, sandbox: None):
    contacts = sync(
        "hubspot",
        "contacts",
        ("data.properties.email", "id"),
        ("data.properties.firstname", "name"),
        pull=True,
    )
    run = go(contacts)
    assert run.created == Record.objects.count() > 0
    ada = Record.objects.get(key="ada@example.com")
    assert ada.links.get().external_id == "100"
    push = sync("hubspot", "contact.upsert", ("data.id", "email"), ("data.name", "first_name"))
    assert go(push).unchanged == run.created
    keep(people, {"id": "ada@example.com", "name": "Augusta"}, {"id": "new@example.com", "name": "New"})
    changed = go(push)
    assert (changed.updated, changed.created) == (1, 1)
    assert ada.links.get().sent == {"email": "ada@example.com", "first_name": "Augusta"}


def test_hubspots_companies_go_both_ways(people: RecordType, sync: MakeSync, sandbox: None):
    pull = sync(
        "hubspot",
        "companies",
        ("data.properties.domain", "id"),
        ("data.properties.name", "name"),
        pull=True,
    )
    run = go(pull)
    assert run.created == Record.objects.count() > 0
    push = sync("hubspot", "company.upsert", ("data.id", "domain"), ("data.name", "name"))
    assert go(push).unchanged == run.created
    keep(people, {"id": "new.example", "name": "New"})
    assert go(push).created == 1
    assert delete(people, "new.example")
    assert go(push).skipped == 1  # by the policy it is kept there


def test_stripes_customers_come_in_and_go_out(people: RecordType, sync: MakeSync, sandbox: None):
    pull = sync("stripe", "stripe.customers", ("data.email", "id"), ("data.name", "name"), pull=True)
    run = go(pull)
    assert run.created == Record.objects.count() > 0
    push = sync("stripe", "customer.upsert", ("data.id", "email"), ("data.name", "name"))
    assert go(push).unchanged == run.created
    keep(people, {"id": "new@example.com", "name": "New"})
    assert go(push).created == 1
