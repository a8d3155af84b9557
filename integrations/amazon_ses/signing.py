"""What SNS signs, and a stand-in for SNS that signs for the tests.

The stand-in's key and certificate are made anew in each process; nothing trusts them but the
tests, whose ``fetch`` hands the certificate out.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from integrations.base.verifiers import sign_rsa

SAMPLE_CERT_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-sample.pem"
_CONFIRMATION_KEYS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
#: Which keys are signed, in order, by the kind of message.
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION_KEYS,
    "UnsubscribeConfirmation": _CONFIRMATION_KEYS,
}


def signed_text(message: Mapping[str, Any]) -> bytes:
    """Return what SNS signs: each key and its value on a line, keys that are absent left out."""
    keys = [key for key in SIGNED[str(message["Type"])] if message.get(key) is not None]
    return "".join(f"{key}\n{message[key]}\n" for key in keys).encode()


def seal(body: bytes, secrets: Mapping[str, str], url: str, now: datetime) -> bytes:
    """Return an SNS message with the stand-in's signature (version 2) in it."""
    message = {**json.loads(body), "SignatureVersion": "2", "SigningCertURL": SAMPLE_CERT_URL}
    key, _ = sample_identity()
    return json.dumps({**message, "Signature": sign_rsa(key, signed_text(message))}).encode()


def sample_fetch(url: str) -> bytes:
    """Return the stand-in's certificate where SNS would keep its own."""
    return sample_identity()[1] if url == SAMPLE_CERT_URL else b""


@lru_cache(maxsize=1)
def sample_identity() -> tuple[rsa.RSAPrivateKey, bytes]:
    """Return a new key and its self-signed certificate (PEM)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example")])
    start = datetime(2026, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)
