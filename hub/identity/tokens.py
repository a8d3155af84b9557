"""Tokens of people who use the API: short access tokens (JWT), and refresh tokens that follow each other.

A refresh token is ``icr_<family>_<generation>_<MAC>``: the MAC proves that the hub made it, so the
table holds no token, only which generation is good. One that was good before was copied by somebody,
and ends the family.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.utils.crypto import salted_hmac
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from hub.identity.models import SignedIn

ACCESS_FOR = timedelta(minutes=10)
#: However often it is refreshed, a sign-in ends after that.
FAMILY_FOR = timedelta(days=30)
AUDIENCE = "interchange-api"


class TokenError(Exception):
    """The token is not good; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gives: both tokens, seconds until the access token ends, and whose they are."""

    access: str
    refresh: str
    expires_in: int
    user: Any


def begin(user: AbstractBaseUser, address: str = "") -> Tokens:
    """Begin a family of tokens for somebody who has just proved who they are."""
    now = timezone.now()
    SignedIn.objects.filter(user_id=user.pk, expires_at__lt=now).delete()
    family = SignedIn.objects.create(
        user_id=user.pk, address=address or None, used_at=now, expires_at=now + FAMILY_FOR
    )
    return _tokens(family, user)


def refresh(text: str) -> Tokens:
    """Exchange a refresh token for the next ones.

    Raise TokenError for a bad one; for one that was exchanged before also end its family.
    """
    family_id, generation = _read(text)
    now = timezone.now()
    alive = SignedIn.objects.filter(pk=family_id, ended_at__isnull=True, expires_at__gt=now)
    if alive.filter(generation=generation, user__is_active=True).update(
        generation=generation + 1, used_at=now
    ):
        family = SignedIn.objects.select_related("user").get(pk=family_id)
        return _tokens(family, family.user)
    if alive.filter(generation__gt=generation).update(ended_at=now, end_reason="reused"):
        raise TokenError(
            "This refresh token was used before, so somebody may have copied it. Everything that came of "
            "this sign-in has ended: sign in again."
        )
    raise TokenError("This sign-in has ended. Sign in again.")


def end(text: str) -> None:
    """End the family of a refresh token; raise TokenError for what is none."""
    family_id, _ = _read(text)
    ended = SignedIn.objects.filter(pk=family_id, ended_at__isnull=True)
    ended.update(ended_at=timezone.now(), end_reason="signed out")


def person_of(text: str) -> AbstractBaseUser:
    """Return the user of an access token; raise TokenError. One query: what has ended counts at once."""
    try:
        claims = jwt.decode(text, _key(), algorithms=["HS256"]).claims
    except (JoseError, ValueError):
        raise TokenError("The access token is not one of this hub's.") from None
    if claims.get("iss") != settings.HUB.url or claims.get("aud") != AUDIENCE:
        raise TokenError("The access token is not one of this hub's.")
    if not isinstance(claims.get("exp"), int) or claims["exp"] <= time.time():
        raise TokenError("The access token has expired. Get another at /api/auth/refresh.")
    alive = SignedIn.objects.filter(
        pk=claims["sid"], ended_at__isnull=True, expires_at__gt=timezone.now(), user__is_active=True
    )
    found = alive.select_related("user").first()
    if found is None:
        raise TokenError("This sign-in has ended. Sign in again.")
    return found.user


def _tokens(family: SignedIn, user: Any) -> Tokens:
    now = int(time.time())
    claims = {
        "iss": settings.HUB.url,
        "aud": AUDIENCE,
        "sub": str(user.pk),
        "sid": str(family.pk),
        "iat": now,
        "exp": now + int(ACCESS_FOR.total_seconds()),
    }
    text = f"{family.pk.hex}_{family.generation}"
    return Tokens(
        access=jwt.encode({"alg": "HS256"}, claims, _key()),
        refresh=f"icr_{text}_{_mac(text)}",
        expires_in=int(ACCESS_FOR.total_seconds()),
        user=user,
    )


def _read(text: str) -> tuple[UUID, int]:
    """Return family and generation of a refresh token that the hub made; raise TokenError otherwise."""
    kind, _, rest = text.partition("_")
    signed, _, mac = rest.rpartition("_")
    family, _, generation = signed.partition("_")
    if kind != "icr" or not secrets.compare_digest(_mac(signed).encode(), mac.encode()):
        raise TokenError("This is no refresh token of this hub.")
    return UUID(hex=family), int(generation)


def _mac(text: str) -> str:
    return salted_hmac("hub.identity.refresh", text, algorithm="sha256").hexdigest()


def _key() -> OctKey:
    return OctKey.import_key(salted_hmac("hub.identity.access", "jwt", algorithm="sha256").digest())
