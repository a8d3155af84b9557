"""HubSpot's official SDK builds the same requests, and signs and proves the same calls."""

import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import hubspot
import pytest
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    PublicGdprDeleteInput,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
)
from hubspot.utils.signature import Signature

from integrations.base.capabilities import Contact
from integrations.base.fixtures import webhook_fixtures
from integrations.base.webhooks import Incoming, Refused
from integrations.hubspot.provider import PROVIDER
from integrations.hubspot.webhooks import WEBHOOK
from tests.conftest import Door, Sent
from tests.integrations.support import context, incoming

TOKEN = "pat-eu1-00000000-0000-4000-8000-000000000000"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
VECTOR = "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
AT = 1_767_225_600


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch):
    """The SDK's client, and what it would send."""
    sent: list[SimpleNamespace] = []
    client = hubspot.HubSpot(access_token=TOKEN).crm.contacts

    def request(self, method, url, query_params=None, headers=None, body=None, **_):
        sent.append(SimpleNamespace(method=method, url=url, headers=headers, body=body))
        return SimpleNamespace(data="{}", status=200)

    monkeypatch.setattr("hubspot.crm.contacts.rest.RESTClientObject.request", request)
    return client, sent


def same(ours: Sent, theirs: SimpleNamespace) -> None:
    assert (ours.method, ours.path) == (theirs.method, urlsplit(theirs.url).path)
    assert ours.header("authorization") == theirs.headers["Authorization"]
    assert ours.header("content-type") == theirs.headers["Content-Type"]
    assert ours.json == json.loads(json.dumps(theirs.body))


def test_a_batch_upsert_is_the_sdks(door: Door, official):
    client, sent = official
    door.answer("POST", "/crm/v3/objects/contacts/batch/upsert", json={"results": []})
    people = [
        Contact(email="ada@example.com", first_name="Ada"),
        Contact(email="grace@example.com", job_title="Admiral"),
    ]
    PROVIDER.action("contact.upsert").run_many(context(PROVIDER, access_token=TOKEN), people)
    given = [
        {"email": "ada@example.com", "firstname": "Ada"},
        {"email": "grace@example.com", "jobtitle": "Admiral"},
    ]
    rows = [
        SimplePublicObjectBatchInputUpsert(
            id=one["email"], id_property="email", object_write_trace_id=str(number), properties=one
        )
        for number, one in enumerate(given)
    ]
    client.batch_api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=rows), _preload_content=False)
    same(door.last, sent[-1])


def test_erasure_is_the_sdks(door: Door, official):
    client, sent = official
    door.answer("POST", "/crm/v3/objects/contacts/gdpr-delete", 204)
    erase = PROVIDER.action("hubspot.contact.erase")
    erase.run(context(PROVIDER, access_token=TOKEN), erase.input(email="ada@example.com"))
    client.basic_api.purge(
        PublicGdprDeleteInput(object_id="ada@example.com", id_property="email"), _preload_content=False
    )
    same(door.last, sent[-1])


def test_a_search_is_the_sdks(door: Door, official):
    client, sent = official
    door.answer("POST", "/crm/v3/objects/contacts/search", json={"results": []})
    (pull,) = [one for one in PROVIDER.pulls if one.name == "contacts"]
    pull.read(context(PROVIDER, access_token=TOKEN), "1793491200000:100", None)
    ours = door.last.json
    request = PublicObjectSearchRequest(
        limit=100,
        after="100",
        sorts=["lastmodifieddate"],
        properties=ours["properties"],
        filter_groups=[
            {"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1793491200000"}]}
        ],
    )
    client.search_api.do_search(request, _preload_content=False)
    same(door.last, sent[-1])


def call(body: bytes, url: str, signature: str, stamp: str, at: float) -> Incoming:
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": stamp}
    plain = incoming(body, headers, at=at)
    return Incoming(plain.method, url, plain.headers, plain.body, plain.received_at)


def test_the_sdks_published_vector_is_proved():
    body = b"{'example_field':'example_value'}"
    url, stamp, signature = "https://www.example.com/webhook_uri", "1693657560000", VECTOR
    WEBHOOK.verify(call(body, url, signature, stamp, 1_693_657_600), {"client_secret": SECRET})
    late = call(body, url, signature, stamp, 1_693_657_861)
    with pytest.raises(Refused, match="301 seconds"):
        WEBHOOK.verify(late, {"client_secret": SECRET})


@pytest.mark.parametrize("fixture", webhook_fixtures(PROVIDER), ids=lambda fixture: fixture.types[0])
def test_what_the_sdk_signs_is_proved_and_what_we_sign_the_sdk_proves(fixture):
    url, stamp = "https://hub.example.com/webhooks/token/", str(AT * 1000)
    theirs = Signature.get_signature(SECRET, fixture.body.decode(), "v3", url, "POST", stamp)
    WEBHOOK.verify(call(fixture.body, url, theirs, stamp, AT), {"client_secret": SECRET})
    ours = WEBHOOK.sign(fixture.body, {"client_secret": SECRET}, url, incoming(b"", at=AT).received_at)
    assert ours["X-HubSpot-Signature-v3"] == theirs


def test_only_hubspots_own_escapes_of_the_address_are_decoded():
    called = "https://hub.example.com/webhooks/t%3Ax/?a=%40b%2Cc%20d%25e"
    signed = "https://hub.example.com/webhooks/t:x/?a=@b,c%20d%25e"
    stamp = str(AT * 1000)
    signature = Signature.get_signature(SECRET, "[]", "v3", signed, "POST", stamp)
    WEBHOOK.verify(call(b"[]", called, signature, stamp, AT), {"client_secret": SECRET})
