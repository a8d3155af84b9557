"""Connecting by signing in at the provider: OAuth 2.0 authorization code with PKCE and state."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hub.connections.client import Connection, open_connection
from hub.connections.models import Credential, Integration, SignIn, Status
from hub.connections.renewal import keep
from hub.connections.signals import token_renewed
from hub.lib.sentences import advised
from integrations.base import oauth
from integrations.base.auth import TokenGrant
from integrations.base.errors import IntegrationError
from integrations.base.http import Transport

#: A sign-in must be finished within this time.
LIFETIME = timedelta(minutes=10)


class OAuthError(Exception):
    """The sign-in did not connect the integration; the message is a sentence for the admin."""

    def __init__(self, message: str, integration_id: UUID | None = None):
        """``integration_id``: which integration it was about, where that is known."""
        super().__init__(message)
        self.integration_id = integration_id


def begin(integration: Integration, user: Any, redirect_uri: str, *, sandbox_url: str = "") -> str:
    """Return the provider's URL to which ``user``'s browser is sent.

    ``redirect_uri``: the hub's own address that the provider sends the browser back to. Raise
    OAuthError where the integration does not connect by signing in.
    """
    connection = open_connection(integration, sandbox_url=sandbox_url)
    grant = _grant(connection)
    state, verifier = secrets.token_urlsafe(32), oauth.new_verifier()
    SignIn.objects.filter(expires_at__lt=timezone.now()).delete()
    SignIn.objects.create(
        digest=_digest(state),
        integration=integration,
        user=user,
        verifier=verifier,
        redirect_uri=redirect_uri,
        expires_at=timezone.now() + LIFETIME,
    )
    url = oauth.authorization_url(
        grant, connection.oauth_client(), redirect_uri=redirect_uri, state=state, verifier=verifier
    )
    return connection.bare_http().sandboxed(url)


def complete(
    user: Any,
    redirect_uri: str,
    params: Mapping[str, str],
    *,
    transport: Transport | None = None,
    sandbox_url: str = "",
) -> Integration:
    """Finish a sign-in, keep the tokens, and return the integration.

    ``params``: the query with which the provider sent the browser back to ``redirect_uri``:
    ``state`` and ``code``, or ``error`` and ``error_description``. Raise OAuthError.
    """
    integration, tokens = redeem(user, redirect_uri, params, transport=transport, sandbox_url=sandbox_url)
    store(integration, tokens)
    return integration


def redeem(
    user: Any,
    redirect_uri: str,
    params: Mapping[str, str],
    *,
    transport: Transport | None = None,
    sandbox_url: str = "",
) -> tuple[Integration, oauth.TokenSet]:
    """Finish a sign-in as ``complete`` does, but keep nothing: return the integration and the tokens."""
    sign_in = _take(params.get("state", ""), user)
    integration, started = sign_in.integration, time.perf_counter()
    try:
        return integration, _exchanged(sign_in, redirect_uri, params, transport, sandbox_url)
    except IntegrationError as failure:
        # The answer is shown once; the log keeps why nobody is connected.
        token_renewed.send(
            Integration,
            integration_id=integration.pk,
            error=failure,
            exchanges=[],
            latency_ms=int((time.perf_counter() - started) * 1000),
        )
        raise OAuthError(advised(failure.message, failure.hint), integration.pk) from failure


def _exchanged(
    sign_in: SignIn,
    redirect_uri: str,
    params: Mapping[str, str],
    transport: Transport | None,
    sandbox_url: str,
) -> oauth.TokenSet:
    integration, code = sign_in.integration, params.get("code", "")
    if error := params.get("error", ""):
        raise OAuthError(_denied(integration, error, params.get("error_description", "")), integration.pk)
    if not code or redirect_uri != sign_in.redirect_uri:
        raise OAuthError("The provider's answer does not fit this sign-in. Begin again.", integration.pk)
    connection = open_connection(integration, transport=transport, sandbox_url=sandbox_url)
    connection.redactor.add(code, sign_in.verifier)
    try:
        return oauth.exchange_code(
            _grant(connection),
            connection.oauth_client(),
            connection.bare_http(),
            code=code,
            redirect_uri=redirect_uri,
            verifier=str(sign_in.verifier),
        )
    except IntegrationError as failure:
        failure.mask(connection.redactor.text)
        raise


def store(integration: Integration, tokens: oauth.TokenSet) -> None:
    """Keep the tokens of a finished sign-in; a queue that was held moves again."""
    with transaction.atomic():
        credential = Credential.objects.select_for_update().filter(integration=integration).first()
        keep(credential or Credential(integration=integration), tokens)
        if tokens.account:
            integration.account_label = tokens.account[:200]
            integration.save(update_fields=["account_label", "updated_at"])
        if integration.status == Status.RECONNECT:
            integration.resume()


def _take(state: str, user: Any) -> SignIn:
    """Return the sign-in and use it up: a state is good for one answer, to the one who began."""
    sign_in = SignIn.objects.select_related("integration").filter(digest=_digest(state)).first()
    if sign_in is None:
        raise OAuthError("This sign-in is not known or was finished already. Begin again with “Connect”.")
    if sign_in.user_id != user.pk:
        told = "Somebody else began this sign-in, so nothing was connected. Begin your own with “Connect”."
        raise OAuthError(told, sign_in.integration_id)
    if not SignIn.objects.filter(pk=sign_in.pk).delete()[0]:
        raise OAuthError("This sign-in was finished already.", sign_in.integration_id)
    if sign_in.expires_at < timezone.now():
        raise OAuthError(
            "The sign-in took longer than ten minutes and has expired. Begin again with “Connect”.",
            sign_in.integration_id,
        )
    return sign_in


def _denied(integration: Integration, error: str, description: str) -> str:
    name = integration.provider.name
    if error == "access_denied":
        return f"The sign-in at {name} was refused or cancelled. Nothing was changed."
    said = " ".join(part for part in (error[:100], description[:300]) if part)
    return f"{name} did not allow the sign-in: {said}. Check the app's settings at the provider."


def _grant(connection: Connection) -> TokenGrant:
    grant = connection.scheme.token
    if grant is None or grant.grant != "code":
        raise OAuthError("This integration does not connect by signing in: enter its credential instead.")
    return grant


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
