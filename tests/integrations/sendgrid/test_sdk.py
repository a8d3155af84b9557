"""SendGrid's official SDK builds the same requests, and proves the same calls."""

import base64
import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from python_http_client import Client
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import (
    Attachment,
    Bcc,
    Category,
    Cc,
    CustomArg,
    Header,
    Mail,
    MailSettings,
    Personalization,
    SandBoxMode,
    To,
)

from integrations.base.capabilities import EmailMessage
from integrations.base.fixtures import webhook_fixtures
from integrations.base.samples import sample_values
from integrations.base.webhooks import Refused
from integrations.sendgrid.provider import PROVIDER
from integrations.sendgrid.webhooks import WEBHOOK
from tests.conftest import Door, Sent
from tests.integrations.support import context, incoming

KEY = "SG.exampleexampleexample0.exampleexampleexampleexampleexampleexample0"
AT = 1_767_225_600


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch):
    """The SDK's client, and what it would send."""
    sent: list = []

    def make_request(self, opener, request, timeout=None):
        sent.append(request)
        return SimpleNamespace(getcode=lambda: 202, read=lambda: b"", info=dict)

    monkeypatch.setattr(Client, "_make_request", make_request)
    return SendGridAPIClient(KEY), sent


def same(ours: Sent, theirs) -> None:
    assert (ours.method, ours.path) == (theirs.get_method(), urlsplit(theirs.full_url).path)
    assert ours.header("authorization") == theirs.get_header("Authorization")
    assert ours.header("content-type") == theirs.get_header("Content-type")
    assert ours.json == json.loads(theirs.data)


def test_a_message_is_the_mail_helpers(door: Door, official):
    client, sent = official
    door.answer("POST", "/v3/mail/send", 202)
    values = {
        "to": "Ada Lovelace <ada@example.com>",
        "cc": "grace@example.com",
        "bcc": "mary@example.com",
        "reply_to": "Support <support@example.com>",
        "subject": "Grüße",
        "text": "Hello",
        "html": "<p>Hello</p>",
        "categories": ["invoice", "receipt"],
        "headers": {"X-Order": "1001"},
        "attachments": [{"filename": "a.txt", "content": "SGk=", "content_type": "text/plain"}],
    }
    ctx = context(PROVIDER, api_key=KEY, sandbox_mode=True)
    PROVIDER.action("email.send").run(ctx, EmailMessage.model_validate(values))

    mail = Mail(from_email=("hello@example.com", "Ada"), subject="Grüße", plain_text_content="Hello")
    mail.add_content("<p>Hello</p>", "text/html")
    person = Personalization()
    person.add_to(To("ada@example.com", "Ada Lovelace"))
    person.add_cc(Cc("grace@example.com"))
    person.add_bcc(Bcc("mary@example.com"))
    person.add_custom_arg(CustomArg("hub_message_id", "item-1"))
    mail.add_personalization(person)
    mail.reply_to = ("support@example.com", "Support")
    mail.category = [Category("invoice"), Category("receipt")]
    mail.header = Header("X-Order", "1001")
    mail.attachment = Attachment("SGk=", "a.txt", "text/plain")
    mail.mail_settings = MailSettings(sandbox_mode=SandBoxMode(enable=True))
    client.send(mail)
    ours, theirs = door.last.json, json.loads(sent[-1].data)
    # The helper lists categories newest first.
    theirs["categories"].sort()
    assert ours == theirs
    assert (door.last.method, door.last.url) == (sent[-1].get_method(), sent[-1].full_url)


def test_a_template_is_the_mail_helpers(door: Door, official):
    client, sent = official
    door.answer("POST", "/v3/mail/send", 202)
    values = {"to": "ada@example.com", "template_id": "d-1", "template_data": {"total": 12.5}}
    ctx = context(PROVIDER, api_key=KEY)
    PROVIDER.action("email.send").run(ctx, EmailMessage.model_validate(values))
    mail = Mail(from_email=("hello@example.com", "Ada"))
    person = Personalization()
    person.add_to(To("ada@example.com"))
    person.dynamic_template_data = {"total": 12.5}
    person.add_custom_arg(CustomArg("hub_message_id", "item-1"))
    mail.add_personalization(person)
    mail.template_id = "d-1"
    client.send(mail)
    same(door.last, sent[-1])


@pytest.mark.parametrize(
    ("action", "method", "path", "body", "answer"),
    [
        (
            "sendgrid.contact.erase",
            "POST",
            "recipients/erasejob",
            {"email_addresses": ["ada@example.com"]},
            {"job_id": "j"},
        ),
        (
            "sendgrid.suppress",
            "POST",
            "asm/suppressions/global",
            {"recipient_emails": ["ada@example.com"]},
            {},
        ),
    ],
)
def test_lists_of_addresses_are_the_sdks(
    door: Door, official, action: str, method: str, path: str, body: dict, answer: dict
):
    client, sent = official
    door.answer(method, f"/v3/{path}", 202, json=answer)
    found = PROVIDER.action(action)
    found.run(context(PROVIDER, api_key=KEY), found.input(email="ada@example.com"))
    target = client.client
    for part in path.split("/"):
        target = target._(part)
    getattr(target, method.lower())(request_body=body)
    same(door.last, sent[-1])


VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8"
    "kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
VECTOR_SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
)
VECTOR_BODY = (
    '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    '"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    '"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    '"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)


def vector(body: str, stamp: str = "1600112502"):
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": VECTOR_SIGNATURE,
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }
    return incoming(body.encode(), headers, at=1_600_112_600)


def test_the_sdks_published_vector_is_proved_and_read():
    WEBHOOK.verify(vector(VECTOR_BODY), {"public_key": VECTOR_KEY})
    (notice,) = WEBHOOK.parse(vector(VECTOR_BODY))
    assert (notice.type, notice.subject) == ("sendgrid.dropped", "hello@world.com")
    assert notice.id == "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA"


def test_the_vector_without_its_last_line_break_is_refused():
    with pytest.raises(Refused):
        WEBHOOK.verify(vector(VECTOR_BODY.rstrip()), {"public_key": VECTOR_KEY})
    with pytest.raises(Refused):
        WEBHOOK.verify(vector(VECTOR_BODY, "1600112503"), {"public_key": VECTOR_KEY})


@pytest.mark.parametrize("fixture", webhook_fixtures(PROVIDER), ids=lambda fixture: fixture.types[0])
def test_the_sdk_proves_what_we_sign(fixture):
    values, _ = sample_values(WEBHOOK.fields)
    headers = WEBHOOK.sign(fixture.body, values, "", incoming(b"", at=AT).received_at)
    signature = headers["X-Twilio-Email-Event-Webhook-Signature"]
    assert base64.b64decode(signature)
    stamp = headers["X-Twilio-Email-Event-Webhook-Timestamp"]
    assert EventWebhook(values["public_key"]).verify_signature(fixture.body.decode(), signature, stamp)
