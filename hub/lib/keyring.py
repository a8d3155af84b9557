"""AES-256-GCM under several keys: the first one encrypts, every one decrypts.

A token is ``v1.<key id>.<base64url(nonce ‖ ciphertext ‖ tag)>``. The associated data names the row
and the field, so that a ciphertext moved to another place does not open there.
"""

import base64
import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

KEY_BYTES = 32
NONCE_BYTES = 12


class KeyringError(Exception):
    """The encryption keys are missing or do not fit the data."""


class Keyring:
    """An ordered set of 256-bit keys, each known by the first 8 hex digits of its SHA-256."""

    def __init__(self, keys: Iterable[str]):
        """Take base64url keys of 32 bytes; raise KeyringError where one has another form."""
        self._ciphers: dict[str, AESGCM] = {}
        for position, text in enumerate(keys, 1):
            raw = _decode_key(text, position)
            self._ciphers[hashlib.sha256(raw).hexdigest()[:8]] = AESGCM(raw)
        if not self._ciphers:
            raise KeyringError(
                "HUB_ENCRYPTION_KEYS holds no key. Put back the key this hub was started with, "
                "or, for a new hub, run 'python manage.py newkey' and set its output."
            )
        self.primary_id = next(iter(self._ciphers))

    @property
    def ids(self) -> list[str]:
        """The ids of the keys, the encrypting one first."""
        return list(self._ciphers)

    def encrypt(self, plaintext: bytes, context: str) -> str:
        """Return the token for ``plaintext``, bound to ``context`` (row and field)."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.primary_id].encrypt(nonce, plaintext, context.encode())
        return f"v1.{self.primary_id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def decrypt(self, token: str, context: str) -> bytes:
        """Return what ``encrypt`` was given; raise KeyringError for a foreign key, row or field."""
        version, key_id, body = [*token.split(".", 2), "", ""][:3]
        if version != "v1":
            raise KeyringError("This is no ciphertext of Interchange (it does not begin with 'v1.').")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyringError(
                f"The data was encrypted with key {key_id}, which HUB_ENCRYPTION_KEYS does not hold. "
                "Add that key behind the present one and start again."
            )
        try:
            raw = base64.urlsafe_b64decode(body)
            return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise KeyringError(
                "A ciphertext was changed or moved to another row; it does not open here."
            ) from None

    def is_current(self, token: str) -> bool:
        """Whether ``token`` was encrypted with the first key."""
        return token.startswith(f"v1.{self.primary_id}.")


def new_key() -> str:
    """Return a fresh key in the form that HUB_ENCRYPTION_KEYS takes."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def key_of(token: str) -> str:
    """Return the id of the key that ``token`` was encrypted with."""
    return token.split(".", 2)[1] if token.count(".") >= 2 else ""


def is_lost(token: str) -> bool:
    """Whether the operator said that the key of ``token`` is gone for good (HUB_LOST_KEYS)."""
    return key_of(token) in settings.HUB.lost_keys


def keyring() -> Keyring:
    """Return the keyring of the settings."""
    return _keyring(tuple(settings.HUB.encryption_keys))


@lru_cache(maxsize=8)
def _keyring(keys: tuple[str, ...]) -> Keyring:
    return Keyring(keys)


def _decode_key(text: str, position: int) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
    except ValueError:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyringError(
            f"Key {position} of HUB_ENCRYPTION_KEYS is not 32 bytes in base64url; "
            "'python manage.py newkey' prints one that is."
        )
    return raw
