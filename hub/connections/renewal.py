"""Access tokens: kept encrypted, renewed by one worker at a time.

Whoever renews holds the credential's lease, reads the row again once it has it, and saves what the
provider gave before anybody uses it. A provider that rotates refresh tokens therefore never sees an old
one twice, and a hub that dies in between has at worst a token it did not use.
"""

import hmac
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hub.connections.expiry import note_expiry
from hub.connections.models import EXPIRY_COLUMNS, Credential, Integration
from hub.connections.signals import token_renewed
from hub.lib.redaction import Redactor
from integrations.base import oauth
from integrations.base.auth import TokenGrant
from integrations.base.errors import AuthError, IntegrationError, TransientError
from integrations.base.http import Http
from integrations.base.oauth import Client, TokenSet

#: Seconds a lease is held; longer than the two requests of a renewal may take in all.
LEASE = 90.0
#: Seconds to wait for another's renewal before the delivery is tried later.
PATIENCE = 30.0
LOOK_EVERY = 0.05

#: Asks the provider, given the tokens that are kept now.
Ask = Callable[[Mapping[str, Any]], TokenSet]


class TokenSource:
    """The access token of one integration, for many threads of this process."""

    def __init__(self, credential: Credential, grant: TokenGrant, client: Client, redactor: Redactor):
        self._credential = credential
        self._grant = grant
        self._client = client
        self._redactor = redactor
        self._lock = threading.Lock()
        self._learn(credential.tokens or {})

    def current(self, http: Http) -> str:
        """Return a token that is good for a minute at least, renewed through ``http`` if need be.

        Raise AuthError where somebody has to connect again, TransientError where it may pass.
        """
        with self._lock:
            if not self._credential.token_valid(timezone.now()):
                self._renew("", http)
            return str((self._credential.tokens or {}).get("access_token", ""))

    def renew(self, refused: str, http: Http) -> bool:
        """Have another token than ``refused``; whether there is one. Raises as ``current`` does."""
        with self._lock:
            if (self._credential.tokens or {}).get("access_token") == refused:
                self._renew(refused, http)
            return (self._credential.tokens or {}).get("access_token") != refused

    def _renew(self, refused: str, http: Http) -> None:
        started = time.perf_counter()
        before = len(http.exchanges)
        try:
            self._credential = renewed(self._credential, refused, self._ask(http))
        except IntegrationError as error:
            error.mask(self._redactor.text)
            self._tell(http, before, started, error)
            raise
        self._learn(self._credential.tokens or {})
        if len(http.exchanges) > before:
            self._tell(http, before, started, None)

    def _tell(self, http: Http, before: int, started: float, error: IntegrationError | None) -> None:
        token_renewed.send(
            Integration,
            integration_id=self._credential.integration_id,
            error=error,
            exchanges=http.exchanges[before:],
            latency_ms=int((time.perf_counter() - started) * 1000),
        )

    def _ask(self, http: Http) -> Ask:
        def ask(tokens: Mapping[str, Any]) -> TokenSet:
            self._learn(tokens)
            if self._grant.grant != "code":
                return oauth.client_token(self._grant, self._client, http)
            if not tokens.get("refresh_token"):
                raise AuthError(
                    "Nobody has signed in at the provider for this integration, or the sign-in has expired.",
                    hint="Open the integration and press “Connect”.",
                )
            return oauth.refresh(self._grant, self._client, http, tokens["refresh_token"])

        return ask

    def _learn(self, tokens: Mapping[str, Any]) -> None:
        self._redactor.add(
            *(tokens.get(name) for name in ("access_token", "refresh_token") if tokens.get(name))
        )


class RehearsedTokens(TokenSource):
    """The token of a credential that nobody saved: what the provider gives is used and forgotten."""

    def _renew(self, refused: str, http: Http) -> None:
        try:
            self._credential.tokens = self._ask(http)(self._credential.tokens or {}).as_dict()
        except IntegrationError as error:
            error.mask(self._redactor.text)
            raise
        self._learn(self._credential.tokens)


def renewed(credential: Credential, refused: str, ask: Ask) -> Credential:
    """Return the credential with a token that is valid and not ``refused``.

    One process at a time asks the provider; the others wait for what it saves. Raise what ``ask``
    raises, and TransientError where another's renewal takes too long.
    """
    owner = uuid.uuid4().hex
    give_up = time.monotonic() + PATIENCE
    while True:
        credential = _read(credential)
        if _good(credential, refused):
            return credential
        if _take_lease(credential, owner):
            break
        if time.monotonic() > give_up:
            raise TransientError("Another worker is renewing the access token and has not finished yet.")
        time.sleep(LOOK_EVERY)
    try:
        return _renew_under_lease(credential, refused, ask)
    finally:
        Credential.objects.filter(pk=credential.pk, lease_owner=owner).update(
            lease_owner="", lease_until=None
        )


def keep(credential: Credential, tokens: TokenSet) -> None:
    """Save what the provider gave, whatever was kept before."""
    before = credential.tokens or {}
    credential.tokens = tokens.as_dict()
    if tokens.refresh_expires_at is None and _same(tokens.refresh_token, before.get("refresh_token")):
        # The same refresh token ends when it was said to end.
        credential.tokens["refresh_expires_at"] = before.get("refresh_expires_at")
    note_expiry(credential)
    credential.save(update_fields=["tokens", *EXPIRY_COLUMNS])


def _same(token: str | None, other: str | None) -> bool:
    return hmac.compare_digest((token or "").encode(), (other or "").encode())


def _renew_under_lease(credential: Credential, refused: str, ask: Ask) -> Credential:
    credential = _read(credential)
    if _good(credential, refused):
        return credential
    before = credential.tokens
    given = ask(before or {})
    with transaction.atomic():
        credential = _read(credential, lock=True)
        if credential.tokens == before:
            keep(credential, given)
    if not credential.tokens:
        raise TransientError("The credential was changed while its access token was being renewed.")
    return credential


def _read(credential: Credential, *, lock: bool = False) -> Credential:
    rows = Credential.objects.select_for_update() if lock else Credential.objects.all()
    found = rows.filter(pk=credential.pk).first()
    if found is None:
        raise AuthError("The integration has no credential any more.", hint="Connect it again.")
    return found


def _good(credential: Credential, refused: str) -> bool:
    tokens = credential.tokens or {}
    return credential.token_valid(timezone.now()) and tokens.get("access_token") != refused


def _take_lease(credential: Credential, owner: str) -> bool:
    now = timezone.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    taken = Credential.objects.filter(free, pk=credential.pk).update(
        lease_owner=owner, lease_until=now + timedelta(seconds=LEASE)
    )
    return bool(taken)
