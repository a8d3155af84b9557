"""HubSpot: batches whose rows stand and fall alone, paging, and what its errors mean."""

import json
from datetime import UTC, datetime

import pytest

from integrations.base.capabilities import Company, Contact, Deal
from integrations.base.errors import AuthError, PermanentError, RateLimited, Rejected, TransientError
from integrations.base.results import Result
from integrations.hubspot.provider import PROVIDER
from integrations.hubspot.pulls import SEARCH_WINDOW
from tests.conftest import Door, Sent
from tests.integrations.support import context

UPSERT = "/crm/v3/objects/contacts/batch/upsert"
DONE = {"status": "COMPLETE", "startedAt": "2026-11-03T12:00:00Z", "completedAt": "2026-11-03T12:00:00Z"}


def accepted(sent: Sent) -> dict:
    rows = [
        {"id": f"id-{row['id']}", "objectWriteTraceId": row["objectWriteTraceId"], "properties": {}}
        for row in reversed(sent.json["inputs"])
    ]
    return {**DONE, "results": rows}


def upsert(inputs: list, name: str = "contact.upsert", **overrides) -> list:
    return PROVIDER.action(name).run_many(context(PROVIDER, **overrides), inputs)


def contacts(*names: str) -> list[Contact]:
    return [Contact(email=f"{name}@example.com", first_name=name) for name in names]


def test_results_are_tied_to_rows_by_trace_id_not_by_order(door: Door):
    door.answer("POST", UPSERT, json=accepted)
    outcomes = upsert(contacts("ada", "grace", "mary"))
    assert [one.external_id for one in outcomes] == [
        "id-ada@example.com",
        "id-grace@example.com",
        "id-mary@example.com",
    ]
    assert len(door.requests) == 1


def test_a_row_that_a_207_refuses_fails_alone(door: Door):
    def answer(sent: Sent) -> dict:
        refused = {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": "Property values were not valid",
            "context": {"objectWriteTraceId": ["1"]},
            "errors": [
                {
                    "message": "email is not valid",
                    "code": "INVALID_EMAIL",
                    "context": {"propertyName": ["email"]},
                }
            ],
            "links": {},
        }
        rows = [row for row in accepted(sent)["results"] if row["objectWriteTraceId"] != "1"]
        return {**DONE, "results": rows, "numErrors": 1, "errors": [refused]}

    door.answer("POST", UPSERT, 207, json=answer)
    first, second, third = upsert(contacts("ada", "grace", "mary"))
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert isinstance(second, Rejected)
    assert second.fields == {"email": "email is not valid"}


def test_a_207_that_names_only_ids_is_understood(door: Door):
    error = {
        "status": "error",
        "category": "CONFLICT",
        "message": "taken",
        "context": {"ids": ["Grace@example.com"]},
    }
    door.answer(
        "POST",
        UPSERT,
        207,
        json=lambda sent: {**accepted(sent), "results": accepted(sent)["results"][1:], "errors": [error]},
    )
    ada, grace = upsert(contacts("ada", "grace"))
    assert isinstance(ada, Result)
    assert isinstance(grace, Rejected)


def test_a_row_of_which_nothing_is_said_is_tried_again(door: Door):
    error = {"status": "error", "category": "INTERNAL_ERROR", "message": "oops", "context": {}}
    door.answer("POST", UPSERT, 207, json={**DONE, "results": [], "errors": [error]})
    assert all(isinstance(one, TransientError) for one in upsert(contacts("ada", "grace")))


def test_one_bad_row_does_not_take_the_batch_with_it(door: Door):
    def bad(sent: Sent) -> bool:
        return "grace" in sent.body.decode()

    door.answer(
        "POST", bad, 400, json={"status": "error", "category": "VALIDATION_ERROR", "message": "bad row"}
    )
    door.answer("POST", UPSERT, json=accepted)
    outcomes = upsert(contacts("ada", "grace", "mary", "joan", "barbara"))
    assert [isinstance(one, Result) for one in outcomes] == [True, False, True, True, True]
    assert "bad row" in outcomes[1].message


def test_the_same_contact_twice_goes_in_two_requests_in_order(door: Door):
    door.answer("POST", UPSERT, json=accepted)
    upsert(
        [Contact(email="ada@example.com", first_name="A"), Contact(email="ADA@example.com", first_name="Ada")]
    )
    sent = [request.json["inputs"] for request in door.requests]
    assert [[row["properties"]["firstname"] for row in rows] for rows in sent] == [["A"], ["Ada"]]


def test_values_travel_as_text_and_only_what_was_given(door: Door):
    door.answer("POST", UPSERT, json=accepted)
    further = {"optin": True, "score": 12.0, "roles": ["a", "b"], "note": None, "size": 1e16}
    upsert([Contact(email="ada@example.com", properties=further)])
    assert door.last.json["inputs"][0]["properties"] == {
        "email": "ada@example.com",
        "optin": "true",
        "score": "12",
        "roles": "a;b",
        "note": "",
        "size": "10000000000000000",
    }


def test_companies_and_deals_are_found_by_the_property_that_is_set(door: Door):
    door.answer("POST", "/crm/objects/2026-09/companies/batch/upsert", json=accepted)
    upsert([Company(domain="Example.com")], "company.upsert", company_key="site", api_version="2026-09")
    row = door.last.json["inputs"][0]
    assert (row["idProperty"], row["id"]) == ("site", "example.com")


def test_a_deal_is_attached_to_its_contact(door: Door):
    door.answer("POST", "/crm/v3/objects/deals/batch/upsert", json=accepted)
    door.answer("POST", UPSERT, json=accepted)
    door.answer("POST", "/crm/v4/associations/deals/contacts/batch/create", 201, json={**DONE, "results": []})
    deals = [
        Deal(external_key="1", name="One", contact_email="ada@example.com"),
        Deal(external_key="2", name="Two"),
    ]
    outcomes = upsert(deals, "deal.upsert")
    assert [one.external_id for one in outcomes] == ["id-1", "id-2"]
    assert door.last.json["inputs"] == [
        {
            "from": {"id": "id-1"},
            "to": {"id": "id-ada@example.com"},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}],
        }
    ]


def test_a_refused_association_says_that_the_deal_is_saved(door: Door):
    error = {"message": "no such contact", "context": {"fromObjectId": ["id-1"]}}
    door.answer("POST", "/crm/v3/objects/deals/batch/upsert", json=accepted)
    door.answer("POST", UPSERT, json=accepted)
    door.answer(
        "POST",
        "/crm/v4/associations/deals/contacts/batch/create",
        207,
        json={**DONE, "results": [], "errors": [error]},
    )
    (outcome,) = upsert([Deal(external_key="1", name="One", contact_email="ada@example.com")], "deal.upsert")
    assert isinstance(outcome, Rejected)
    assert "saved" in outcome.message


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        ({"policyName": "TEN_SECONDLY_ROLLING"}, {}, 10),
        ({"policyName": "DAILY"}, {}, 3600),
        ({"policyName": "DAILY"}, {"Retry-After": "30"}, 30),
        ({}, {}, 10),
    ],
)
def test_a_limit_says_how_long_to_wait(door: Door, body: dict, headers: dict, wait: float):
    door.answer("POST", UPSERT, 429, json={"status": "error", "message": "limit", **body}, headers=headers)
    with pytest.raises(RateLimited) as caught:
        upsert(contacts("ada"))
    assert caught.value.retry_after == wait


def test_missing_scopes_hold_the_queue(door: Door):
    door.answer(
        "POST", UPSERT, 403, json={"status": "error", "message": "scopes", "category": "MISSING_SCOPES"}
    )
    with pytest.raises(AuthError) as caught:
        upsert(contacts("ada"))
    assert "scope" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind"), [(477, TransientError), (423, TransientError), (409, PermanentError)]
)
def test_statuses_of_hubspots_own(door: Door, status: int, kind: type):
    door.answer("POST", UPSERT, status, json={"status": "error", "message": "x"})
    with pytest.raises(kind):
        upsert(contacts("ada"))


def read(cursor: str | None, since: datetime | None, kind: str = "contacts"):
    (pull,) = [one for one in PROVIDER.pulls if one.name == kind]
    return pull.read(context(PROVIDER), cursor, since)


def row(number: int) -> dict:
    return {"id": str(number), "properties": {"lastmodifieddate": "2026-11-02T10:00:00.000Z"}}


def test_what_changed_is_searched_oldest_first(door: Door):
    search = "/crm/v3/objects/contacts/search"
    following = {"results": [row(1)], "paging": {"next": {"after": "100"}}}
    door.answer("POST", search, json=following, times=1)
    door.answer("POST", search, json={"results": [row(2)]})
    page = read(None, datetime(2026, 11, 1, tzinfo=UTC))
    assert page.next_cursor == "1793491200000:100"
    last = read(page.next_cursor, None).next_cursor
    assert last == "archived:"
    gone = {"results": [{"id": "9", "archived": True, "archivedAt": "2026-11-02T10:00:00Z"}, {"id": "8"}]}
    gone["results"][1] |= {"archived": True, "archivedAt": "2026-10-01T10:00:00Z"}
    door.answer("GET", "/crm/v3/objects/contacts", json=gone)
    page = read(last, datetime(2026, 11, 1, tzinfo=UTC))
    assert ([one["id"] for one in page.rows], page.next_cursor) == (["9"], None)
    first, second = (sent.json for sent in door.requests[:2])
    assert first["filterGroups"][0]["filters"] == [
        {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1793491200000"}
    ]
    assert first["sorts"] == ["lastmodifieddate"]
    assert second["after"] == "100"


def test_past_ten_thousand_rows_the_search_begins_anew(door: Door):
    full = {"results": [row(1)], "paging": {"next": {"after": str(SEARCH_WINDOW)}}}
    door.answer("POST", "/crm/v3/objects/contacts/search", json=full)
    assert read("1793491200000:9900", None).next_cursor == "1793613600000:"
    with pytest.raises(PermanentError, match="one moment"):
        read("1793613600000:9900", None)


def test_erasure_is_by_address(door: Door):
    door.answer("POST", "/crm/v3/objects/contacts/gdpr-delete", 204)
    erase = PROVIDER.action("hubspot.contact.erase")
    erase.run(context(PROVIDER), erase.input(email="ada@example.com"))
    assert json.loads(door.last.body) == {"objectId": "ada@example.com", "idProperty": "email"}
