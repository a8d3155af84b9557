"""SES events by Amazon SNS: signed by a certificate, for topics that are allowed only.

A rightly signed call proves that SNS sent it, not that the topic is ours; hence the list of topics.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.amazon_ses.signing import SIGNED, sample_fetch, seal, signed_text
from integrations.base.fields import Field
from integrations.base.verifiers import check_url, json_body, require_header, verify_rsa_cert
from integrations.base.webhooks import Incoming, Notice, Refused, Webhook, WebhookEvent

ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
HOST = r"sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?"
CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")


def verify(incoming: Incoming, secrets: Mapping[str, str]) -> None:
    """Prove that SNS sent the call for a topic that is allowed here."""
    kind = require_header(incoming, "x-amz-sns-message-type")
    if incoming.headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
        raise Refused("Raw message delivery carries no signature. Switch it off for the SNS subscription.")
    message = _message(incoming)
    if kind not in SIGNED or kind != message.get("Type"):
        raise Refused("The kind of message in the header is not the one in the body.")
    if require_header(incoming, "x-amz-sns-message-id") != message.get("MessageId"):
        raise Refused("The id in the header is not the one in the body.")
    topics = re.split(r"[\s,]+", secrets.get("topic_arns") or "")
    if not message.get("TopicArn") or message["TopicArn"] not in topics:
        raise Refused(f"The topic {str(message.get('TopicArn'))[:200]} is not among those allowed here.")
    version = message.get("SignatureVersion")
    if version not in ("1", "2"):
        raise Refused("The signature version is neither 1 nor 2.")
    certificate_url = str(message.get("SigningCertURL", ""))
    check_url(certificate_url, HOST, path_suffix=".pem")
    verify_rsa_cert(
        incoming.fetch(certificate_url),
        str(message.get("Signature", "")),
        signed_text(message),
        digest="sha1" if version == "1" else "sha256",
    )


def _message(incoming: Incoming) -> dict[str, Any]:
    message = json_body(incoming)
    if not isinstance(message, dict):
        raise Refused("The body is not an SNS message.")
    return message


def call_id(incoming: Incoming) -> str:
    """Return SNS's id of the message, the same on every repetition."""
    return str(_message(incoming).get("MessageId", ""))


def follow_up(incoming: Incoming) -> str | None:
    """Return the address that confirms a new subscription; the topic was checked by ``verify``."""
    message = _message(incoming)
    if message.get("Type") != "SubscriptionConfirmation":
        return None
    url = str(message.get("SubscribeURL", ""))
    check_url(url, HOST)
    return url


def parse(incoming: Incoming) -> list[Notice]:
    """Return the notice of an SES event; confirmations and SNS's own greetings tell nothing."""
    message = _message(incoming)
    if message.get("Type") in CONFIRMATIONS:
        return []
    try:
        event = json.loads(message.get("Message", ""))
    except ValueError:
        return []
    kind = event.get("eventType") or event.get("notificationType") if isinstance(event, dict) else None
    if not kind:
        return []
    mail = event.get("mail") or {}
    return [
        Notice(
            id=str(message.get("MessageId", "")),
            type=f"amazon_ses.{_snake(str(kind))}",
            data=_with_our_id(event, mail),
            subject=", ".join(str(one) for one in mail.get("destination") or []),
            time=_time(event, message),
        )
    ]


def _with_our_id(event: Mapping[str, Any], mail: Mapping[str, Any]) -> dict[str, Any]:
    """Put the key that ``email.send`` tagged the message with where mappings find it easily."""
    ours = (mail.get("tags") or {}).get("hub_message_id") or [""]
    return {**event, "hub_message_id": ours[0]} if ours[0] else dict(event)


def _time(event: Mapping[str, Any], message: Mapping[str, Any]) -> datetime | None:
    told = next((part for part in event.values() if isinstance(part, dict) and "timestamp" in part), {})
    details = [event[key] for key in event if key not in ("mail", "eventType", "notificationType")]
    about = next((part for part in details if isinstance(part, dict) and "timestamp" in part), told)
    try:
        return datetime.fromisoformat(str(about.get("timestamp") or message.get("Timestamp")))
    except ValueError:
        return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])[ _]?(?=[A-Z])", "_", name).replace(" ", "_").lower()


WEBHOOK = Webhook(
    verify=verify,
    parse=parse,
    call_id=call_id,
    seal=seal,
    sample_fetch=sample_fetch,
    follow_up=follow_up,
    deadline=15.0,
    fields=(
        Field(
            "topic_arns",
            "Allowed topics",
            help="ARNs of your SNS topics, one a line. Calls of any other topic are refused.",
            example="arn:aws:sns:eu-central-1:123456789012:ses-events",
            pattern=rf"{ARN}([\s,]+{ARN})*",
            kind="textarea",
        ),
    ),
    events=(
        WebhookEvent("amazon_ses.send", "SES took a message"),
        WebhookEvent("amazon_ses.delivery", "A message was delivered"),
        WebhookEvent("amazon_ses.delivery_delay", "A delivery is delayed"),
        WebhookEvent("amazon_ses.bounce", "A message bounced"),
        WebhookEvent("amazon_ses.complaint", "A recipient complained"),
        WebhookEvent("amazon_ses.reject", "SES refused a message"),
        WebhookEvent("amazon_ses.rendering_failure", "A template could not be filled in"),
        WebhookEvent("amazon_ses.open", "A message was opened"),
        WebhookEvent("amazon_ses.click", "A link in a message was followed"),
        WebhookEvent("amazon_ses.subscription", "A recipient changed a subscription"),
        WebhookEvent("amazon_ses.received", "A message came in"),
    ),
    setup=(
        "Create an SNS topic, enter its ARN here, and let your SES configuration set publish events to it. "
        "Then create an HTTPS subscription of the topic with the address above, raw message delivery off. "
        "It is confirmed by itself."
    ),
)
