"""Salesforce's collections by external ID have no description: the one of collections by Id holds them."""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from integrations.base.capabilities import Contact
from integrations.salesforce.client import COLLECTION
from integrations.salesforce.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / (os.environ.get("CONTRACTS_DIR") or Path("..", "shared", "contracts"))
DESCRIPTION = FOLDER / "specs" / "salesforce.json"
SIBLING = "/services/data/v{version}/composite/sobjects/{SOBJECT_API_NAME}"


@pytest.mark.skipif(
    not DESCRIPTION.exists() and not os.environ.get("CI"), reason="The description is not here."
)
def test_body_and_answer_are_those_of_collections_by_id(door: Door):
    described = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"][SIBLING]["patch"]
    answer = described["responses"]["200"]["content"]["application/json"]["example"]
    door.answer("PATCH", lambda sent: True, json=answer)
    run = PROVIDER.action("contact.upsert").run_many
    assert run is not None
    (outcome,) = run(context(PROVIDER), [Contact(email="ada@example.com")])
    assert outcome.external_id == answer[0]["id"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    closed = Draft202012Validator({**schema, "additionalProperties": False})
    assert list(closed.iter_errors(door.last.json)) == []
    assert [sorted(record) for record in door.last.json["records"]] == [
        ["Email", "Interchange_Key__c", "attributes"]
    ]


def test_a_call_holds_no_more_than_salesforce_takes():
    assert {action.batch_size for action in PROVIDER.actions} == {COLLECTION} == {200}
