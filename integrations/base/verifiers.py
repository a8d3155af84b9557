"""Building blocks that prove a webhook call, over the raw bytes and in constant time.

Each ``verify_…`` raises ``Refused`` with a sentence for the admin, whatever the headers hold, and
has a ``sign_…`` counterpart for the sandbox and the tests. A provider's ``webhooks.py`` puts them
together; nothing here knows a provider.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from integrations.base.webhooks import Incoming, Refused

Encoding = Literal["hex", "base64"]

#: Seconds that a signed time may lie from ours, both ways.
TOLERANCE = 300

#: SHA-1 is what some providers still sign with by default; ours to verify, never ours to choose.
_DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}

_WRONG = (
    "The signature does not fit the body. Check that the signing secret entered here is the one "
    "that the provider shows for this endpoint."
)


def require_header(incoming: Incoming, name: str) -> str:
    """Return a header's value; raise Refused where it is missing or empty."""
    value = incoming.headers.get(name.lower(), "").strip()
    if not value:
        raise Refused(f"The header {name} is missing, so the call is not signed.")
    return value


def require_secret(secrets: Mapping[str, str], name: str, label: str = "signing secret") -> str:
    """Return a secret; raise Refused where none was entered: without it nothing can be proved."""
    value = secrets.get(name, "")
    if not value:
        raise Refused(f"No {label} is set for this endpoint; enter it to accept calls.")
    return value


def json_body(incoming: Incoming) -> Any:
    """Return the body as JSON; raise Refused where it is none."""
    try:
        return json.loads(incoming.body)
    except (ValueError, RecursionError):
        raise Refused("The body is not JSON.") from None


def hmac_hex(key: str | bytes, message: bytes, digest: str = "sha256") -> str:
    """Return the HMAC in lower-case hex; a ``str`` key is taken as UTF-8."""
    return hmac.new(_bytes(key), message, digest).hexdigest()


def hmac_base64(key: str | bytes, message: bytes, digest: str = "sha256") -> str:
    """Return the HMAC in standard base64 with padding; a ``str`` key is taken as UTF-8."""
    return base64.b64encode(hmac.new(_bytes(key), message, digest).digest()).decode()


def constant_time_any(candidates: Iterable[str], expected: str) -> bool:
    """Whether one candidate equals ``expected``; the time taken does not tell which, nor how far."""
    wanted = expected.encode()
    found = False
    for candidate in candidates:
        found |= hmac.compare_digest(candidate.encode("utf-8", "replace"), wanted)
    return found


def parse_signature_list(value: str, *, separator: str = ",", assign: str = "=") -> dict[str, list[str]]:
    """Return ``t=1,v1=a,v1=b`` as ``{"t": ["1"], "v1": ["a", "b"]}``; malformed entries are left out."""
    entries: dict[str, list[str]] = {}
    for entry in value.split(separator):
        name, found, content = entry.strip().partition(assign)
        if found and name and content:
            entries.setdefault(name.strip(), []).append(content.strip())
    return entries


def check_timestamp(
    value: str, now: datetime, tolerance: float = TOLERANCE, *, unit: Literal["s", "ms"] = "s"
) -> None:
    """Raise Refused unless ``value`` (Unix time) lies within ``tolerance`` seconds of ``now``."""
    if not re.fullmatch(r"[0-9]{1,16}", value):
        raise Refused("The time in the signature is not a Unix time.")
    sent = int(value) / (1000 if unit == "ms" else 1)
    away = now.timestamp() - sent
    if abs(away) > tolerance:
        side = "ago" if away > 0 else "in the future"
        raise Refused(
            f"The call was signed {abs(away):.0f} seconds {side}; {tolerance:g} are allowed. "
            "It is a replay, or a clock is wrong."
        )


def sign_hmac(
    secret: str | bytes,
    message: bytes,
    *,
    encoding: Encoding = "hex",
    prefix: str = "",
    digest: str = "sha256",
) -> str:
    """Return ``prefix`` and the HMAC of ``message``."""
    make = hmac_hex if encoding == "hex" else hmac_base64
    return prefix + make(secret, message, digest)


def verify_hmac(
    secret: str | bytes,
    message: bytes,
    signatures: Iterable[str],
    *,
    encoding: Encoding = "hex",
    prefix: str = "",
    digest: str = "sha256",
) -> None:
    """Raise Refused unless one of ``signatures`` is ``prefix`` and the HMAC of ``message``."""
    if not secret:
        raise Refused("No signing secret is set for this endpoint; enter it to accept calls.")
    expected = sign_hmac(secret, message, encoding=encoding, prefix=prefix, digest=digest)
    if not constant_time_any(signatures, expected):
        raise Refused(_WRONG)


def sign_timestamped(body: bytes, secret: str, now: datetime, *, version: str = "v1") -> str:
    """Return ``t=<unix>,v1=<hex>`` over ``<unix>.<body>``."""
    stamp = str(int(now.timestamp()))
    return f"t={stamp},{version}=" + hmac_hex(secret, stamp.encode() + b"." + body)


def verify_timestamped(
    value: str,
    body: bytes,
    secret: str,
    now: datetime,
    *,
    version: str = "v1",
    tolerance: float = TOLERANCE,
) -> None:
    """Prove a ``t=<unix>,v1=<hex>[,v1=…]`` header; any entry of ``version`` may fit (rotation)."""
    entries = parse_signature_list(value)
    stamps = entries.get("t", [])
    if len(stamps) != 1 or version not in entries:
        raise Refused(f"The signature header is malformed: it needs one t= and a {version}= entry.")
    check_timestamp(stamps[0], now, tolerance)
    verify_hmac(secret, stamps[0].encode() + b"." + body, entries[version])


def sign_versioned(body: bytes, secret: str, *, version: str = "v1") -> str:
    """Return ``v1=<hex>`` over the body."""
    return sign_hmac(secret, body, prefix=f"{version}=")


def verify_versioned(value: str, body: bytes, secret: str, *, version: str = "v1") -> None:
    """Prove a ``v1=<hex>[,v1=…]`` header over the body; other versions are ignored."""
    entries = parse_signature_list(value)
    if version not in entries:
        raise Refused(f"The signature header is malformed: it needs a {version}= entry.")
    verify_hmac(secret, body, entries[version])


def percent_decode_only(url: str, characters: str) -> str:
    """Return ``url`` with the escapes of ``characters`` decoded and every other one left alone."""
    for character in characters:
        code = f"%{ord(character):02X}"
        url = url.replace(code, character).replace(code.lower(), character)
    return url


def decode_base64(value: str, what: str = "signature") -> bytes:
    """Return the bytes of standard base64; raise Refused where ``value`` is none."""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"The {what} is not base64.") from None


def sandbox_ecdsa_key(seed: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key that everybody can derive from ``seed``: for tests and the sandbox only."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
    return ec.derive_private_key(number % (2**255) + 1, ec.SECP256R1())


def public_key_base64(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """Return the public half as base64 DER (SubjectPublicKeyInfo), as providers' dashboards show it."""
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


def sign_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> str:
    """Return the base64 DER signature (ECDSA, SHA-256) of ``message``."""
    return base64.b64encode(key.sign(message, ec.ECDSA(hashes.SHA256()))).decode()


def verify_ecdsa(public_key: str, signature: str, message: bytes) -> None:
    """Prove a base64 DER ECDSA signature; ``public_key`` is base64 DER, with or without PEM lines."""
    bare = "".join(line for line in public_key.split() if line)
    bare = re.sub(r"-----(BEGIN|END)PUBLICKEY-----", "", bare)
    try:
        key = serialization.load_der_public_key(decode_base64(bare, "verification key"))
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("The verification key entered here is not a public key; copy it again.") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("The verification key entered here is not an elliptic-curve key; copy it again.")
    try:
        key.verify(decode_base64(signature), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused(_WRONG.replace("signing secret", "verification key")) from None


def verify_rsa_cert(
    certificate: bytes, signature: str, message: bytes, *, digest: Literal["sha1", "sha256"] = "sha256"
) -> None:
    """Prove a base64 RSA signature (PKCS #1 v1.5) by the key of a PEM certificate."""
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("The signing certificate could not be read.") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise Refused("The signing certificate holds no RSA key.")
    try:
        key.verify(decode_base64(signature), message, padding.PKCS1v15(), _DIGESTS[digest]())
    except InvalidSignature:
        raise Refused("The signature does not fit the message; it was changed on its way.") from None


def sign_rsa(key: rsa.RSAPrivateKey, message: bytes) -> str:
    """Return the base64 RSA signature (PKCS #1 v1.5, SHA-256) of ``message``."""
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def check_url(url: str, host_pattern: str, *, path_suffix: str = "") -> None:
    """Raise Refused unless ``url`` is https, its host matches wholly, and its path ends so."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("An address in the call cannot be read.") from None
    fits = parts.scheme == "https" and re.fullmatch(host_pattern, parts.hostname or "")
    if not fits or port not in (None, 443) or parts.username or not parts.path.endswith(path_suffix):
        raise Refused("An address in the call does not belong to the provider.")


def _bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key
