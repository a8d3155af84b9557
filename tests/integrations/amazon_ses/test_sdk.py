"""AWS's own SDK sends the same requests, and its signer signs what left our door alike."""

import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

from integrations.amazon_ses.provider import PROVIDER
from integrations.base.fixtures import call_fixture
from integrations.base.inputs import read_input
from tests.conftest import Door, Sent
from tests.integrations.support import context

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "example/example+example/example+example0"
REGION = "eu-central-1"
STS = f"https://sts.{REGION}.amazonaws.com/"


class Answer:
    """An answer, as botocore reads it."""

    def __init__(self, body: bytes):
        self.body = body

    def stream(self):
        yield self.body


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch):
    """boto3's own client, and what it would send."""
    return client_of("sesv2", Answer(b"{}"))


def client_of(service: str, answer: Answer):
    sent: list = []
    session = boto3.Session(KEY, SECRET, region_name=REGION)
    client = session.client(service, config=Config(retries={"total_max_attempts": 1}))

    def keep(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 200, {"content-type": "application/json"}, answer)

    client.meta.events.register(f"before-send.{service}", keep)
    return client, sent


def run(action: str) -> Any:
    found = PROVIDER.action(action)
    fixture = call_fixture(PROVIDER, "actions", action)
    ctx = context(PROVIDER, access_key_id=KEY, secret_access_key=SECRET, session_token=None)
    return found.run(ctx, read_input(found.input, fixture.input))


def same(ours: Sent, theirs) -> None:
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert json.loads(ours.body or b"{}") == json.loads(theirs.body or b"{}")


def assert_signed(sent: Sent, service: str = "ses") -> None:
    """Sign the request as it left, at the time it names: the signature must be the one it carries."""
    given = sent.header("Authorization")
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: sent.header(name) for name in names if name != "host"}
    request = AWSRequest(sent.method, sent.url, headers, sent.body)
    request.context["timestamp"] = sent.header("X-Amz-Date")
    signer = SigV4Auth(Credentials(KEY, SECRET), service, REGION)
    string = signer.string_to_sign(request, signer.canonical_request(request))
    assert given.endswith("Signature=" + signer.signature(string, request))
    assert f"Credential={KEY}/{sent.header('X-Amz-Date')[:8]}/{REGION}/{service}/aws4_request" in given


def test_a_message_is_botos(door: Door, official):
    client, sent = official
    door.answer("POST", "/v2/email/outbound-emails", json={"MessageId": "m1"})
    run("email.send")
    client.send_email(
        FromEmailAddress='"Ada" <hello@example.com>',
        Destination={
            "ToAddresses": ['"Ada Lovelace" <ada@example.com>'],
            "BccAddresses": ["archive@example.com"],
        },
        ReplyToAddresses=["support@example.com"],
        Content={
            "Simple": {
                "Subject": {"Data": "Invoice 1001 – paid", "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": "Thank you.", "Charset": "UTF-8"},
                    "Html": {"Data": "<p>Thank you.</p>", "Charset": "UTF-8"},
                },
                "Attachments": [
                    {"FileName": "invoice.txt", "ContentType": "text/plain", "RawContent": b"Invoice 1001"}
                ],
            }
        },
        EmailTags=[{"Name": "hub_message_id", "Value": "item-1"}, {"Name": "category", "Value": "invoice"}],
        ConfigurationSetName="interchange",
    )
    same(door.last, sent[-1])
    assert_signed(door.last)


def test_suppression_is_botos(door: Door, official):
    client, sent = official
    door.answer("PUT", "/v2/email/suppression/addresses", json={})
    run("amazon_ses.suppress")
    client.put_suppressed_destination(EmailAddress="ada+news@example.com", Reason="COMPLAINT")
    same(door.last, sent[-1])
    assert_signed(door.last)


def test_an_address_in_the_path_is_escaped_as_boto_does(door: Door, official):
    client, sent = official
    door.answer("DELETE", lambda one: True, json={})
    run("amazon_ses.unsuppress")
    client.delete_suppressed_destination(EmailAddress="ada+news@example.com")
    same(door.last, sent[-1])
    assert urlsplit(door.last.url).path.endswith("/ada%2Bnews%40example.com")
    assert_signed(door.last)


def test_the_account_is_read_as_boto_does(door: Door, official):
    client, sent = official
    door.answer("GET", "/v2/email/account", json={"SendingEnabled": True, "ProductionAccessEnabled": True})
    body = b"<R><GetCallerIdentityResult><Account>111122223333</Account></GetCallerIdentityResult></R>"
    door.answer("POST", STS, body=body)
    assert PROVIDER.test(context(PROVIDER, session_token=None)).account_id == f"111122223333/{REGION}"
    account, caller = door.requests
    client.get_account()
    same(account, sent[-1])
    assert_signed(account)
    official_sts, asked = client_of("sts", Answer(body))
    official_sts.get_caller_identity()
    assert (caller.method, caller.url) == (asked[-1].method, asked[-1].url)
    assert caller.body == asked[-1].body.encode()
    assert_signed(caller, "sts")
