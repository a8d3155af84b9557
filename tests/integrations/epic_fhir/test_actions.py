"""Epic: resources checked before they are sent, searches followed page by page, FHIR's own errors."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.base.connection_tests import prove
from integrations.base.errors import AuthError, PermanentError, RateLimited, Rejected, TransientError
from integrations.base.inputs import read_input
from integrations.base.results import Page, Result
from integrations.epic_fhir.client import token_endpoint
from integrations.epic_fhir.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

BASE = "https://fhir.epic.com/interconnect-fhir-oauth/api/FHIR/R4"
PATH = "/interconnect-fhir-oauth/api/FHIR/R4"
HEART_RATE = {
    "patient_id": "p1",
    "code": "8867-4",
    "value": 72,
    "unit": "/min",
    "effective": "2026-11-03T11:55:00Z",
}


def run(action: str, values: dict) -> Result:
    found = PROVIDER.action(f"epic_fhir.{action}")
    return found.run(context(PROVIDER), read_input(found.input, values))


def outcome(text: str, code: str = "", expression: str = "") -> dict:
    issue: dict = {"severity": "error", "code": "invalid", "details": {"text": text}}
    if code:
        issue["details"]["coding"] = [{"code": code}]
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.mark.parametrize(
    ("location", "body", "made"),
    [
        (f"{BASE}/Patient/e1/_history/1", b"", "e1"),
        (f"{BASE}/Patient/e1", b"", "e1"),
        ("Patient/e1", b"", "e1"),
        ("", json.dumps({"resourceType": "Patient", "id": "e1"}).encode(), "e1"),
        ("", b"", ""),
    ],
)
def test_the_id_of_a_created_resource_is_found(door: Door, location: str, body: bytes, made: str):
    door.answer("POST", f"{PATH}/Patient", 201, body=body, headers={"Location": location} if location else {})
    assert run("patient.create", {"family": "Lopez"}).external_id == made
    assert door.last.header("Content-Type") == "application/fhir+json"
    assert door.last.header("Accept") == "application/fhir+json"


def test_only_what_was_given_is_sent(door: Door):
    door.answer("POST", f"{PATH}/Patient", 201)
    run("patient.create", {"family": "Lopez", "given": "Camila Maria", "resource": {"active": True}})
    assert door.last.json == {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": "Lopez", "given": ["Camila", "Maria"]}],
        "active": True,
    }


def test_an_observation_carries_the_items_key(door: Door):
    door.answer("POST", f"{PATH}/Observation", 201)
    run("observation.create", {**HEART_RATE, "value": 0})
    assert door.last.json["identifier"] == [{"system": "urn:interchange:delivery", "value": "item-1"}]
    assert door.last.json["valueQuantity"]["value"] == 0
    assert door.last.header("X-Request-Id") == "item-1"


@pytest.mark.parametrize(
    ("action", "values", "field"),
    [
        ("patient.create", {"family": "Lopez", "birth_date": "1990-13-01"}, "Patient.birthDate"),
        (
            "patient.create",
            {"family": "Lopez", "resource": {"name": [{"given": "x"}]}},
            "Patient.name.0.given",
        ),
        ("patient.create", {"family": "Lopez", "resource": {"shoeSize": 38}}, "Patient.shoeSize"),
        ("observation.create", {**HEART_RATE, "effective": "yesterday"}, "Observation.effectiveDateTime"),
        ("observation.create", {**HEART_RATE, "resource": {"resourceType": "Device"}}, "resourceType"),
    ],
)
def test_what_is_not_fhir_is_never_sent(door: Door, action: str, values: dict, field: str):
    with pytest.raises(Rejected) as caught:
        run(action, values)
    assert field in caught.value.fields
    assert door.requests == []


def test_an_operation_outcome_names_the_element(door: Door):
    said = outcome("The date is in the future", "59111", "Observation.effectiveDateTime")
    door.answer("POST", f"{PATH}/Observation", 422, json=said)
    with pytest.raises(Rejected) as caught:
        run("observation.create", HEART_RATE)
    assert caught.value.fields == {"Observation.effectiveDateTime": "The date is in the future (59111)"}
    assert "The date is in the future" in caught.value.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PermanentError), (403, PermanentError), (404, PermanentError), (401, AuthError)],
)
def test_an_operation_outcome_is_read_for_every_status(door: Door, status: int, kind: type):
    door.answer("GET", f"{PATH}/Patient/p1", status, json=outcome("Not you"))
    with pytest.raises(kind) as caught:
        run("patient.read", {"id": "p1"})
    assert str(caught.value) == f"The provider answered {status}: Not you"


def test_a_limit_is_obeyed(door: Door):
    door.answer("GET", f"{PATH}/Patient/p1", 429, json=outcome("Slow"), headers={"Retry-After": "9"})
    with pytest.raises(RateLimited) as caught:
        run("patient.read", {"id": "p1"})
    assert caught.value.retry_after == 9


def known(number: int, **more: Any) -> dict[str, Any]:
    return {"family": f"F{number}", "identifier_system": "urn:mrn", "identifier": number, **more}


def upserted(*rows: dict[str, Any], **settings: Any) -> list[Any]:
    action = PROVIDER.action("epic_fhir.patient.upsert")
    assert action.run_many is not None
    return action.run_many(context(PROVIDER, **settings), [read_input(action.input, row) for row in rows])


def written(*responses: dict[str, Any]) -> dict[str, Any]:
    entries = [{"response": response} for response in responses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def families(sent: Any) -> list[str]:
    return [entry["resource"]["name"][0]["family"] for entry in sent.json["entry"]]


def test_several_patients_go_in_one_transaction_and_are_found_by_their_identifiers(door: Door):
    made = {"status": "201 Created", "location": f"{BASE}/Patient/e1/_history/1"}
    door.answer("POST", PATH, json=written(made, {"status": "200", "location": "Patient/e2/_history/7"}))
    first, second = upserted(known(1), known(2))
    assert (first.external_id, first.data) == ("e1", {"new": True})
    assert (second.external_id, second.data) == ("e2", {"new": False})
    assert (door.last.json["resourceType"], door.last.json["type"]) == ("Bundle", "transaction")
    assert [entry["request"] for entry in door.last.json["entry"]] == [
        {"method": "PUT", "url": f"Patient?identifier=urn%3Amrn%7C{number}"} for number in (1, 2)
    ]
    assert door.last.header("Content-Type") == "application/fhir+json"


def test_the_entry_that_spoils_a_transaction_fails_alone(door: Door):
    said = outcome("No such town", "59188", "Bundle.entry[1].resource.address[0].city")
    door.answer("POST", PATH, 422, json=said, times=1)
    door.answer("POST", PATH, json=written({"status": "201"}, {"status": "201"}))
    first, second, third = upserted(known(1), known(2), known(3))
    assert isinstance(second, Rejected)
    assert second.fields == {"address[0].city": "No such town (59188)"}
    assert (type(first), type(third)) == (Result, Result)
    assert [families(sent) for sent in door.requests] == [["F1", "F2", "F3"], ["F1", "F3"]]


def test_where_the_server_does_not_name_the_entry_halves_are_sent(door: Door):
    door.answer("POST", PATH, 400, json=outcome("Something is wrong"), times=1)
    door.answer("POST", PATH, json=written({"status": "201"}), times=1)
    door.answer("POST", PATH, 400, json=outcome("Something is wrong"))
    first, second = upserted(known(1), known(2))
    assert isinstance(first, Result)
    assert isinstance(second, PermanentError)
    assert [families(sent) for sent in door.requests] == [["F1", "F2"], ["F1"], ["F2"]]


def test_a_patient_that_is_not_fhir_is_left_out_of_the_transaction(door: Door):
    door.answer("POST", PATH, json=written({"status": "201"}))
    bad, good = upserted(known(1, birth_date="1990-13-01"), known(2))
    assert isinstance(bad, Rejected)
    assert "Patient.birthDate" in bad.fields
    assert isinstance(good, Result)
    assert families(door.last) == ["F2"]


def test_an_identifier_stands_once_in_a_transaction(door: Door):
    door.answer("POST", PATH, json=written({"status": "201"}), times=1)
    door.answer("POST", PATH, json=written({"status": "200"}))
    assert len(upserted(known(1), known(1, family="Later"))) == 2
    assert [families(sent) for sent in door.requests] == [["F1"], ["Later"]]


def test_the_entries_of_a_batch_are_answered_each_by_itself(door: Door):
    bad = {"status": "422 Unprocessable", "outcome": outcome("Bad name", expression="Patient.name")}
    door.answer("POST", PATH, json=written({"status": "201"}, bad, {"status": "503"}, {"status": "429"}))
    good, wrong, later, limited = upserted(*map(known, range(4)), bundle_type="batch")
    assert door.last.json["type"] == "batch"
    assert isinstance(good, Result)
    assert wrong.fields == {"Patient.name": "Bad name"}
    assert (type(later), type(limited)) == (TransientError, TransientError)


def test_an_answer_that_leaves_entries_out_is_no_success(door: Door):
    door.answer("POST", PATH, json=written({"status": "201"}))
    with pytest.raises(TransientError, match="1 of 2"):
        upserted(known(1), known(2))


def bundle(*ids: str, following: str = "", stamps: dict | None = None) -> dict:
    entries = [
        {"resource": {"resourceType": "Patient", "id": one, "meta": {"lastUpdated": (stamps or {}).get(one)}}}
        for one in ids
    ]
    links = [{"relation": "self", "url": BASE}]
    if following:
        links.append({"relation": "next", "url": following})
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [*entries, {"resource": outcome("x")}],
    }


def test_a_search_gives_ids_and_no_warning_among_them(door: Door):
    door.answer("GET", f"{PATH}/Patient", json=bundle("a", "b"))
    found = run("patient.search", {"family": "Lopez", "birthdate": "1987-09-12"})
    assert found.data == {"total": 2, "ids": ["a", "b"]}
    assert found.external_id == ""
    assert door.last.query == {"family": ["Lopez"], "birthdate": ["1987-09-12"]}


def test_a_search_for_nobody_is_not_sent(door: Door):
    with pytest.raises(Rejected):
        run("patient.search", {})
    assert door.requests == []


def read(cursor: str | None = None, since: datetime | None = None, **overrides) -> Page:
    (pull,) = [one for one in PROVIDER.pulls if one.name == "patients"]
    return pull.read(context(PROVIDER, **overrides), cursor, since)


def test_the_servers_next_link_is_followed_as_it_is(door: Door):
    link = f"{BASE}/Patient?_page=a%2Fb&sig=%3D"
    door.answer("GET", link.split("?")[0], json=bundle("a", following=link), times=1)
    door.answer("GET", link.split("?")[0], json=bundle("b"))
    first = read()
    assert first.next_cursor == link
    assert read(first.next_cursor).rows[0]["id"] == "b"
    assert door.last.url == link


@pytest.mark.parametrize(
    "link", ["https://evil.example/Patient?x=1", "http://fhir.epic.com/x", "//evil.example/x"]
)
def test_the_token_goes_to_no_other_server(door: Door, link: str):
    with pytest.raises(PermanentError, match="another server"):
        read(link)
    assert door.requests == []


def test_older_rows_are_left_out(door: Door):
    stamps = {"old": "2026-10-31T23:00:00Z", "new": "2026-11-01T01:00:00+00:00"}
    door.answer("GET", f"{PATH}/Patient", json=bundle("old", "new", "unknown", stamps=stamps))
    page = read(since=datetime(2026, 11, 1, tzinfo=UTC))
    assert [row["id"] for row in page.rows] == ["new", "unknown"]


def test_without_a_search_nothing_is_read(door: Door):
    with pytest.raises(PermanentError, match="No search is set"):
        read(patient_search=None)


def test_another_version_of_fhir_fails_the_connection_test(door: Door):
    door.answer(
        "GET", f"{PATH}/metadata", json={"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}
    )
    with pytest.raises(PermanentError, match=r"3\.0\.2"):
        prove(PROVIDER, "backend", context(PROVIDER))


def test_the_token_endpoint_is_found():
    def fetch(url: str) -> bytes:
        assert url == f"{BASE}/.well-known/smart-configuration"
        return b'{"token_endpoint": "https://fhir.epic.com/token"}'

    assert token_endpoint({"fhir_base_url": BASE + "/"}, fetch) == "https://fhir.epic.com/token"
    assert (
        token_endpoint({"fhir_base_url": BASE, "token_url": "https://x.example/t"}, fetch)
        == "https://x.example/t"
    )


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"{}", b'{"token_endpoint": "http://fhir.epic.com/t"}']
)
def test_a_server_that_names_no_safe_token_endpoint_is_refused(answer: bytes):
    with pytest.raises(AuthError) as caught:
        token_endpoint({"fhir_base_url": BASE}, lambda url: answer)
    assert caught.value.hint


def test_another_organization_is_told_by_its_base_address_however_it_is_written(door: Door):
    statement = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
    door.answer("GET", f"{PATH}/metadata", json=statement)
    door.answer("GET", f"{PATH}/Patient", json={"resourceType": "Bundle", "entry": []})
    spelled = "https://FHIR.epic.com/interconnect-fhir-oauth/api/FHIR/R4/"
    seen = prove(PROVIDER, "backend", context(PROVIDER, fhir_base_url=spelled))
    assert (seen.external_id, seen.account_id) == ("FHIR server at fhir.epic.com", BASE)
