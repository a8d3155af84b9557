"""Amazon SES: messages by boto3 through our door, and what its errors mean."""

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hub.lib.outbound import ConnectFailed
from integrations.amazon_ses import client
from integrations.amazon_ses.provider import PROVIDER
from integrations.base.capabilities import EmailMessage
from integrations.base.connection_tests import prove
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    TransientError,
)
from integrations.base.results import Result
from tests.conftest import Door
from tests.integrations.support import context

SEND = "/v2/email/outbound-emails"
HELLO = {"to": "ada@example.com", "subject": "Hi", "text": "Hello"}


def send(values: dict, **overrides) -> Result:
    ctx = context(PROVIDER, session_token=None, **overrides)
    return PROVIDER.action("email.send").run(ctx, EmailMessage.model_validate(values))


def test_a_message_carries_the_items_key_as_tag(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    result = send({**HELLO, "categories": ["invoice", "order #7"]}, key="0190f0c0:1")
    assert result.external_id == "m1"
    assert door.last.json["EmailTags"] == [
        {"Name": "hub_message_id", "Value": "0190f0c0_1"},
        {"Name": "category", "Value": "invoice"},
        {"Name": "category_2", "Value": "order__7"},
    ]
    assert door.last.json["ConfigurationSetName"] == "interchange"


def test_texts_and_attachments_are_the_simple_form(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    file = {"filename": "a.txt", "content": base64.b64encode(b"Hi").decode(), "content_type": "text/plain"}
    send({**HELLO, "html": "<p>Hello</p>", "headers": {"X-Order": "1"}, "attachments": [file]})
    simple = door.last.json["Content"]["Simple"]
    assert simple["Body"]["Text"]["Data"] == "Hello"
    assert simple["Body"]["Html"]["Data"] == "<p>Hello</p>"
    assert simple["Headers"] == [{"Name": "X-Order", "Value": "1"}]
    assert simple["Attachments"] == [{"FileName": "a.txt", "ContentType": "text/plain", "RawContent": "SGk="}]


def test_a_template_takes_its_values_as_json(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    send({"to": "ada@example.com", "template_id": "invoice", "template_data": {"total": 12.5}})
    assert door.last.json["Content"] == {
        "Template": {"TemplateName": "invoice", "TemplateData": '{"total": 12.5}'}
    }


def test_names_beyond_ascii_are_encoded(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    send(
        {
            **HELLO,
            "to": [{"email": "ada@example.com", "name": "Žofie"}, {"email": "b@example.com", "name": "B, C"}],
        }
    )
    assert door.last.json["Destination"]["ToAddresses"] == [
        "=?UTF-8?B?xb1vZmll?= <ada@example.com>",
        '"B, C" <b@example.com>',
    ]


@pytest.mark.parametrize(
    ("status", "code", "kind", "wait"),
    [
        (429, "TooManyRequestsException", RateLimited, 1),
        (400, "Throttling", RateLimited, 1),
        (400, "LimitExceededException", RateLimited, 3600),
        (400, "SendingPausedException", TransientError, 3600),
        (400, "AccountSuspendedException", TransientError, 3600),
        (500, "InternalServiceErrorException", TransientError, None),
        (409, "ConflictException", TransientError, None),
        (503, "", TransientError, None),
        (400, "MessageRejected", PermanentError, None),
        (400, "MailFromDomainNotVerifiedException", PermanentError, None),
        (404, "NotFoundException", PermanentError, None),
        (403, "InvalidSignatureException", AuthError, None),
        (403, "UnrecognizedClientException", AuthError, None),
        (403, "AccessDeniedException", AuthError, None),
        (403, "ExpiredTokenException", AuthError, None),
    ],
)
def test_errors_by_their_type(door: Door, status: int, code: str, kind: type, wait: float | None):
    headers = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"} if code else {}
    door.answer("POST", SEND, status, json={"message": "what SES says"}, headers=headers)
    with pytest.raises(IntegrationError) as caught:
        send(HELLO)
    error = caught.value
    assert type(error) is kind
    assert getattr(error, "retry_after", None) == wait
    assert "what SES says" in error.message
    assert error.status == status
    assert len(door.requests) == 1, "boto3 tried again by itself."


def test_a_lost_connection_is_the_doors_error(door: Door):
    door.fail("POST", SEND, ConnectFailed("The connection was lost."))
    with pytest.raises(TransientError, match="connection was lost"):
        send(HELLO)


def test_an_address_that_was_not_suppressed_is_no_failure(door: Door):
    door.answer(
        "DELETE",
        lambda sent: "suppression" in sent.path,
        404,
        headers={"x-amzn-ErrorType": "NotFoundException"},
    )
    release = PROVIDER.action("amazon_ses.unsuppress")
    assert "not on the list" in release.run(context(PROVIDER), release.input(email="a@example.com")).message


def identity(number: str) -> str:
    return f"<R><GetCallerIdentityResult><Account>{number}</Account></GetCallerIdentityResult></R>"


STS = "https://sts.eu-central-1.amazonaws.com/"


def account(door: Door, **values) -> Result:
    door.answer("POST", STS, body=identity("111122223333"), headers={"Content-Type": "text/xml"})
    quota = {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0}
    door.answer("GET", "/v2/email/account", json={"SendingEnabled": True, "SendQuota": quota, **values})
    return prove(PROVIDER, "access_key", context(PROVIDER))


def test_the_connection_test_tells_sandbox_and_production_apart(door: Door):
    assert "SES sandbox" in account(door, ProductionAccessEnabled=False).message


def test_the_account_is_the_keys_own(door: Door):
    seen = account(door, ProductionAccessEnabled=True)
    assert (seen.external_id, seen.account_id) == (
        "AWS account 111122223333 in eu-central-1",
        "111122223333/eu-central-1",
    )
    assert "SES sandbox" not in seen.message
    assert "/eu-central-1/sts/aws4_request" in door.last.header("Authorization")


def test_mail_is_sent_where_sts_does_not_answer(door: Door):
    door.fail("POST", STS)
    seen = account(door, ProductionAccessEnabled=True)
    assert (seen.external_id, seen.account_id) == ("", "")
    assert "The connection works" in seen.message


@pytest.mark.parametrize("status", [200, 400])
def test_something_else_at_the_place_of_sts_tells_no_account(door: Door, status: int):
    door.answer("POST", STS, status=status, json={"no": "XML"})
    door.answer("GET", "/v2/email/account", json={"SendingEnabled": True, "ProductionAccessEnabled": True})
    seen = prove(PROVIDER, "access_key", context(PROVIDER))
    assert (seen.external_id, seen.account_id) == ("", "")
    assert "The connection works" in seen.message


def test_an_account_that_may_not_send_fails_the_test(door: Door):
    with pytest.raises(PermanentError, match="switched off"):
        account(door, ProductionAccessEnabled=True, SendingEnabled=False)


def test_nothing_of_the_machines_aws_setup_is_used(
    door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    config = tmp_path / "config"
    config.write_text("[profile other]\nregion = us-west-2\nendpoint_url = https://evil.example\n")
    for name, value in {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_PROFILE": "missing",
        "AWS_ENDPOINT_URL": "https://evil.example",
        "AWS_ENDPOINT_URL_SESV2": "https://evil.example",
        "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000",
        "AWS_SECRET_ACCESS_KEY": "environment",
        "AWS_SESSION_TOKEN": "environment",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTPS_PROXY": "http://evil.example:3128",
    }.items():
        monkeypatch.setenv(name, value)
    client.forget()
    door.answer("POST", SEND, json={"MessageId": "m1"})
    send(HELLO)
    assert door.last.url == "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails"
    assert "AKIAEXAMPLEEXAMPLE00" in door.last.header("Authorization")
    assert not door.last.header("X-Amz-Security-Token")


def test_temporary_credentials_send_their_token(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    ctx = context(PROVIDER, access_key_id="ASIAEXAMPLEEXAMPLE00")
    PROVIDER.action("email.send").run(ctx, EmailMessage.model_validate(HELLO))
    assert door.last.header("X-Amz-Security-Token") == ctx.secrets["session_token"]
    (kept,) = ctx.http.exchanges
    assert ctx.secrets["session_token"] not in repr(kept)


def test_integrations_that_share_a_client_keep_their_own_exchanges(door: Door):
    door.answer("POST", SEND, json={"MessageId": "m1"})
    contexts = [context(PROVIDER, key=f"item-{number}") for number in range(8)]
    run = PROVIDER.action("email.send").run
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda ctx: run(ctx, EmailMessage.model_validate(HELLO)), contexts))
    for ctx in contexts:
        (exchange,) = ctx.http.exchanges
        assert ctx.idempotency_key in exchange.request_body
