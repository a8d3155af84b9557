"""SNS: proved by certificate, for allowed topics only; confirmations; both forms of SES events."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from hub.lib.outbound import OutboundError
from integrations.amazon_ses.signing import SAMPLE_CERT_URL, sample_fetch, sample_identity, signed_text
from integrations.amazon_ses.webhooks import WEBHOOK
from integrations.base.webhooks import Incoming, Refused
from tests.integrations.support import incoming

TOPIC = "arn:aws:sns:eu-central-1:123456789012:ses-events"
OTHER = "arn:aws:sns:eu-central-1:999999999999:foreign"
MESSAGE = {
    "Type": "Notification",
    "MessageId": "m-1",
    "TopicArn": TOPIC,
    "Message": json.dumps({"eventType": "Bounce", "mail": {"destination": ["ada@example.com"]}}),
    "Timestamp": "2026-11-03T12:00:06.000Z",
}
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "m-2",
    "TopicArn": TOPIC,
    "Token": "t",
    "Message": "You have chosen to subscribe.",
    "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
    "Timestamp": "2026-11-03T12:00:06.000Z",
}


def call(
    message: dict, *, version: str = "2", url: str = SAMPLE_CERT_URL, fetch=sample_fetch, **headers
) -> Incoming:
    """A call as SNS makes it, signed over the string that AWS documents."""
    key, _ = sample_identity()
    names = [*("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = base64.b64encode(key.sign(text, padding.PKCS1v15(), digest)).decode()
    body = {**message, "SignatureVersion": version, "SigningCertURL": url, "Signature": signature}
    given = {
        "x-amz-sns-message-type": message["Type"],
        "x-amz-sns-message-id": message["MessageId"],
    } | headers
    plain = incoming(json.dumps(body).encode(), given, content_type="text/plain; charset=UTF-8")
    return Incoming("POST", plain.url, plain.headers, plain.body, plain.received_at, fetch=fetch)


def verify(signed: Incoming, topics: str = TOPIC) -> None:
    WEBHOOK.verify(signed, {"topic_arns": topics})


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("message", [MESSAGE, {**MESSAGE, "Subject": "Bounce"}, CONFIRMATION])
def test_both_signature_versions_are_proved(message: dict, version: str):
    verify(call(message, version=version))
    assert signed_text(message)


def test_topics_may_stand_on_lines_or_behind_commas():
    verify(call(MESSAGE), f"{OTHER}\n{TOPIC}")
    verify(call(MESSAGE), f"{OTHER}, {TOPIC}")


@pytest.mark.parametrize("topics", ["", OTHER, TOPIC + "-2", TOPIC[:-1]])
def test_a_rightly_signed_call_of_another_topic_is_refused(topics: str):
    with pytest.raises(Refused, match="topic"):
        verify(call(MESSAGE), topics)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.txt",
        "https://s3.eu-central-1.amazonaws.com/a.pem",
        "",
    ],
)
def test_certificates_come_from_sns_only(url: str):
    fetched: list[str] = []

    def fetch(address: str) -> bytes:
        fetched.append(address)
        return sample_identity()[1]

    with pytest.raises(Refused):
        verify(call(MESSAGE, url=url, fetch=fetch))
    assert fetched == []


def test_a_certificate_that_cannot_be_fetched_is_no_refusal():
    def fetch(address: str) -> bytes:
        raise OutboundError("no answer")

    with pytest.raises(OutboundError):
        verify(call(MESSAGE, fetch=fetch))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-sns-message-type": "UnsubscribeConfirmation"},
        {"x-amz-sns-message-id": "m-9"},
        {"x-amz-sns-message-type": ""},
        {"x-amz-sns-rawdelivery": "true"},
    ],
)
def test_headers_must_tell_what_the_body_tells(headers: dict):
    with pytest.raises(Refused):
        verify(call(MESSAGE, **headers))


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "TopicArn"])
def test_a_changed_field_is_refused(field: str):
    signed = call(MESSAGE)
    body = json.dumps({**json.loads(signed.body), field: "changed"}).encode()
    changed = Incoming("POST", signed.url, signed.headers, body, signed.received_at, fetch=sample_fetch)
    with pytest.raises(Refused):
        WEBHOOK.verify(changed, {"topic_arns": f"{TOPIC} changed"})


def test_a_subscription_is_confirmed_at_sns_only():
    assert WEBHOOK.follow_up(call(CONFIRMATION)) == CONFIRMATION["SubscribeURL"]
    assert WEBHOOK.follow_up(call(MESSAGE)) is None
    assert WEBHOOK.follow_up(call({**CONFIRMATION, "Type": "UnsubscribeConfirmation"})) is None
    with pytest.raises(Refused):
        WEBHOOK.follow_up(call({**CONFIRMATION, "SubscribeURL": "https://evil.example/confirm"}))
    assert WEBHOOK.parse(call(CONFIRMATION)) == []


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"eventType": "Rendering Failure"}, "amazon_ses.rendering_failure"),
        ({"eventType": "DeliveryDelay"}, "amazon_ses.delivery_delay"),
        ({"notificationType": "Complaint"}, "amazon_ses.complaint"),
    ],
)
def test_events_and_older_notifications_are_read(event: dict, kind: str):
    told = {
        **event,
        "mail": {"destination": ["a@example.com", "b@example.com"], "tags": {"hub_message_id": ["i-1"]}},
    }
    (notice,) = WEBHOOK.parse(call({**MESSAGE, "Message": json.dumps(told)}))
    assert (notice.id, notice.type, notice.subject) == ("m-1", kind, "a@example.com, b@example.com")
    assert notice.data["hub_message_id"] == "i-1"


def test_the_time_is_when_it_happened_not_when_the_mail_was_sent():
    told = {
        "eventType": "Bounce",
        "mail": {"timestamp": "2026-11-03T12:00:00.000Z"},
        "bounce": {"timestamp": "2026-11-03T12:30:00.000Z"},
    }
    (notice,) = WEBHOOK.parse(call({**MESSAGE, "Message": json.dumps(told)}))
    assert notice.time.isoformat() == "2026-11-03T12:30:00+00:00"


@pytest.mark.parametrize(
    "text", ["Successfully validated SNS topic for Amazon SES event publishing.", "[]", "{}"]
)
def test_what_is_no_event_tells_nothing(text: str):
    assert WEBHOOK.parse(call({**MESSAGE, "Message": text})) == []
