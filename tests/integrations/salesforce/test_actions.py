"""Salesforce: collections row by row, its errors by their codes, reading by SOQL."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.base.capabilities import Company, Contact
from integrations.base.errors import AuthError, PermanentError, RateLimited, Rejected, TransientError
from integrations.base.results import Result
from integrations.salesforce.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

DATA = "/services/data/v67.0"
CONTACTS = f"{DATA}/composite/sobjects/Contact/Interchange_Key__c"
LOCKED = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "fields": []}
MISSING = {
    "statusCode": "REQUIRED_FIELD_MISSING",
    "message": "Required fields are missing: [LastName]",
    "fields": ["LastName"],
}


def many(action: str, inputs: list[Any]) -> list[Any]:
    run = PROVIDER.action(action).run_many
    assert run is not None
    return run(context(PROVIDER), inputs)


def saved(key: str, *, created: bool = True) -> dict[str, Any]:
    return {"id": key, "success": True, "errors": [], "created": created}


def refused(error: dict[str, Any]) -> dict[str, Any]:
    return {"success": False, "errors": [error]}


def pulled(name: str) -> Any:
    return next(pull for pull in PROVIDER.pulls if pull.name == name)


def test_a_refused_record_fails_alone_and_a_locked_one_is_tried_again(door: Door):
    door.answer("PATCH", CONTACTS, json=[saved("003A"), refused(MISSING), refused(LOCKED)])
    people = [Contact(email=f"{name}@Example.com", last_name=name) for name in ("a", "b", "c")]
    first, second, third = many("contact.upsert", people)
    assert first == Result(external_id="003A", data={"new": True})
    assert isinstance(second, Rejected)
    assert second.fields == {"LastName": MISSING["message"]}
    assert isinstance(third, TransientError)
    assert door.last.json == {
        "allOrNone": False,
        "records": [
            {
                "attributes": {"type": "Contact"},
                "Email": f"{name}@Example.com",
                "LastName": name,
                "Interchange_Key__c": f"{name}@example.com",
            }
            for name in ("a", "b", "c")
        ],
    }


def test_no_key_stands_twice_in_one_call_and_the_later_comes_later(door: Door):
    door.answer("PATCH", CONTACTS, json=[saved("1"), saved("2")], times=1)
    door.answer("PATCH", CONTACTS, json=[saved("1", created=False)])
    same = [Contact(email="a@example.com", last_name=name) for name in ("Old", "New")]
    outcomes = many("contact.upsert", [same[0], Contact(email="b@example.com"), same[1]])
    assert [outcome.external_id for outcome in outcomes] == ["1", "2", "1"]
    assert [len(sent.json["records"]) for sent in door.requests] == [2, 1]
    assert door.last.json["records"][0]["LastName"] == "New"


def test_records_of_several_objects_go_in_calls_of_their_own(door: Door):
    door.answer("PATCH", f"{DATA}/composite/sobjects/Lead/Number__c", json=[saved("L")])
    door.answer("PATCH", f"{DATA}/composite/sobjects/Case/Number__c", json=[saved("C")])
    action = PROVIDER.action("salesforce.record.upsert")
    rows = [action.input(object=kind, key_field="Number__c", key=7) for kind in ("Lead", "Case")]
    assert [outcome.external_id for outcome in many(action.name, rows)] == ["L", "C"]


def test_an_answer_that_leaves_rows_out_is_no_success(door: Door):
    door.answer("PATCH", f"{DATA}/composite/sobjects/Account/Interchange_Key__c", json=[saved("1")])
    with pytest.raises(TransientError, match="what became of it"):
        many("company.upsert", [Company(domain="a.example"), Company(domain="b.example")])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "INVALID_SESSION_ID", AuthError),
        (403, "REQUEST_LIMIT_EXCEEDED", RateLimited),
        (403, "API_DISABLED_FOR_ORG", PermanentError),
        (400, "UNABLE_TO_LOCK_ROW", TransientError),
        (400, "MALFORMED_QUERY", PermanentError),
        (503, "SERVER_UNAVAILABLE", TransientError),
    ],
)
def test_errors_are_read_by_their_codes(door: Door, status: int, code: str, kind: type):
    door.answer("PATCH", CONTACTS, status, json=[{"message": "So it is.", "errorCode": code}])
    with pytest.raises(kind) as caught:
        many("contact.upsert", [Contact(email="a@example.com")])
    assert type(caught.value) is kind
    assert "So it is." in caught.value.message


def test_what_changed_is_asked_for_oldest_first_and_pages_are_followed(door: Door):
    following = f"{DATA}/query/01g-2000"
    door.answer(
        "GET",
        f"{DATA}/queryAll/",
        json={"done": False, "nextRecordsUrl": following, "records": [{"Id": "1"}]},
    )
    door.answer("GET", following, json={"done": True, "records": [{"attributes": {}, "Id": "2"}]})
    contacts, ctx = pulled("contacts"), context(PROVIDER, contacts_fields=["LeadSource"])
    page = contacts.read(ctx, None, datetime(2026, 11, 3, 12, tzinfo=UTC))
    (soql,) = door.last.query["q"]
    assert soql == (
        "SELECT Id, IsDeleted, SystemModstamp, Email, FirstName, LastName, Phone, Title, LeadSource "
        "FROM Contact WHERE SystemModstamp >= 2026-11-03T12:00:00Z ORDER BY SystemModstamp, Id"
    )
    assert page.next_cursor == following
    last = contacts.read(ctx, page.next_cursor, None)
    assert (last.rows, last.next_cursor) == ([{"Id": "2"}], None)


def test_a_next_page_elsewhere_is_not_read(door: Door):
    with pytest.raises(PermanentError, match="outside"):
        pulled("accounts").read(context(PROVIDER), "https://evil.example/query", None)
    assert door.requests == []
