"""Standard Webhooks 1.0.0: signing and verifying, symmetric (v1) and asymmetric (v1a).

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md. Keys are text:
``whsec_…`` (HMAC-SHA256; the prefix may be missing), ``whsk_…`` (Ed25519, seed and public half) and
``whpk_…`` (Ed25519, public).
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.base.verifiers import TOLERANCE, check_timestamp, constant_time_any, hmac_base64
from integrations.base.webhooks import Refused

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"  # prefixes of keys, no keys
#: What the headers' names begin with: the specification's own, and its first implementation's.
PREFIXES = ("webhook", "svix")


class KeyFormError(ValueError):
    """A key does not have the form that the specification gives it."""


def new_secret() -> str:
    """Return a fresh symmetric key of 32 random bytes."""
    return SECRET + base64.b64encode(os.urandom(32)).decode()


def new_signing_key(seed: bytes | None = None) -> str:
    """Return a fresh Ed25519 key; with ``seed`` the key that belongs to it (tests, sandbox)."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest() if seed else os.urandom(32))
    return PRIVATE + base64.b64encode(key.private_bytes_raw() + _raw(key.public_key())).decode()


def public_key(signing_key: str) -> str:
    """Return the ``whpk_…`` that receivers of a ``whsk_…`` need; raise KeyFormError."""
    return PUBLIC + base64.b64encode(_raw(_private(signing_key).public_key())).decode()


def check_key(key: str) -> None:
    """Raise KeyFormError, with a sentence for the admin, where ``key`` cannot be used."""
    if key.startswith(PRIVATE):
        _private(key)
    elif key.startswith(PUBLIC):
        _public(key)
    else:
        _secret(key)


def sign(message_id: str, timestamp: int, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """Return the three headers; one signature per key, so that a key can be replaced in peace.

    ``timestamp``: Unix seconds of this attempt. Raises KeyFormError.
    """
    content = _content(message_id, str(timestamp), body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def message(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event (id, type, subject, source, time, data) in the form that the specification advises.

    ``id`` is the event's, the same however often the event is sent: receivers know repetitions by it.
    """
    return {
        "id": event["id"],
        "type": event["type"],
        "timestamp": event["time"],
        "subject": event["subject"],
        "source": event["source"],
        "data": event["data"],
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    keys: Iterable[str],
    now: datetime,
    *,
    tolerance: float = TOLERANCE,
) -> None:
    """Raise Refused unless one signature was made by one of ``keys`` (``whsec_…``, ``whpk_…``).

    Header names are lower case. Unknown versions and malformed entries of the list are ignored.
    """
    message_id, stamp, listed = (read_header(headers, name) for name in ("id", "timestamp", "signature"))
    check_timestamp(stamp, now, tolerance)
    content = _content(message_id, stamp, body)
    entries = [entry.split(",", 1) for entry in listed.split() if "," in entry]
    try:
        proved = [_proves(key, content, entries) for key in keys]
    except KeyFormError as error:
        raise Refused(f"The key set for this endpoint cannot be used: {error}") from None
    if not any(proved):
        raise Refused("No signature fits the body. Check that the key here is the one the sender uses.")


def read_header(headers: Mapping[str, str], name: str) -> str:
    """Return the header ``webhook-<name>`` (or its older alias); raise Refused where it is missing."""
    for prefix in PREFIXES:
        if value := headers.get(f"{prefix}-{name}", "").strip():
            return value
    raise Refused(f"The header webhook-{name} is missing, so the call is not signed.")


def _proves(key: str, content: bytes, entries: list[list[str]]) -> bool:
    if not key.startswith(PUBLIC):
        expected = hmac_base64(_secret(key), content)
        return constant_time_any([value for version, value in entries if version == "v1"], expected)
    public = _public(key)
    return any(_verifies(public, value, content) for version, value in entries if version == "v1a")


def _verifies(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _signature(key: str, content: bytes) -> str:
    if key.startswith(PRIVATE):
        return "v1a," + base64.b64encode(_private(key).sign(content)).decode()
    return "v1," + hmac_base64(_secret(key), content)


def _content(message_id: str, stamp: str, body: bytes) -> bytes:
    return f"{message_id}.{stamp}.".encode("utf-8", "replace") + body


@lru_cache(maxsize=256)
def _secret(key: str) -> bytes:
    raw = _decode(key.removeprefix(SECRET))
    if not raw:
        raise KeyFormError("The signing secret is empty.")
    return raw


@lru_cache(maxsize=256)
def _private(key: str) -> Ed25519PrivateKey:
    raw = _decode(key.removeprefix(PRIVATE))
    if len(raw) != 64:
        raise KeyFormError("A whsk_ key is 64 bytes in base64: the seed and its public half.")
    private = Ed25519PrivateKey.from_private_bytes(raw[:32])
    if _raw(private.public_key()) != raw[32:]:
        raise KeyFormError("The public half of the whsk_ key does not belong to its seed.")
    return private


def _public(key: str) -> Ed25519PublicKey:
    raw = _decode(key.removeprefix(PUBLIC))
    if len(raw) != 32:
        raise KeyFormError("A whpk_ key is 32 bytes in base64.")
    return Ed25519PublicKey.from_public_bytes(raw)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _decode(text: str) -> bytes:
    """Decode standard base64; its padding may be missing, as in the reference implementation."""
    bare = text.strip().rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise KeyFormError("The key is not base64.") from None
