"""From an integration's row to the client its actions are given. Credentials are opened here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.utils import timezone

from hub.connections.lost import REASON
from hub.connections.models import Credential, Integration
from hub.connections.renewal import RehearsedTokens, TokenSource
from hub.lib.keyring import KeyringError
from hub.lib.outbound import Policy
from hub.lib.redaction import Redactor
from integrations.base.auth import AuthScheme, Credentials
from integrations.base.http import Exchange, Http, Transport, through_door
from integrations.base.oauth import Client
from integrations.base.provider import Context, Provider

CONNECT_TIMEOUT = 5.0
_SECRETS: Any = Credential._meta.get_field("secrets")
_TOKENS: Any = Credential._meta.get_field("tokens")


@dataclass(frozen=True, slots=True)
class Connection:
    """An integration made ready for use: credential opened, addresses filled in.

    It may be shared by threads, and kept as long as the integration's row does not change. Only
    a token that has to be renewed asks the database.
    """

    provider: Provider
    scheme: AuthScheme
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    base_urls: Mapping[str, str]
    sandbox_url: str
    policy: Policy
    redactor: Redactor = field(repr=False)
    transport: Transport
    tokens: TokenSource | None = None

    def context(
        self, idempotency_key: str, *, now: datetime | None = None, exchanges: list[Exchange] | None = None
    ) -> Context:
        """Return what one action gets; what it sends is kept, redacted, in ``exchanges``."""
        return Context(
            settings=self.settings,
            secrets=self.secrets,
            http=self.http(exchanges),
            idempotency_key=idempotency_key,
            now=now or timezone.now(),
            sandbox=bool(self.sandbox_url),
        )

    def http(self, exchanges: list[Exchange] | None = None) -> Http:
        """Return a client that authenticates as the scheme says, and renews a refused token once."""
        kept: list[Exchange] = [] if exchanges is None else exchanges
        used: list[str] = []

        def access_token() -> str:
            used.append(self.tokens.current(self._bare_http(kept)) if self.tokens else "")
            self.redactor.add(used[-1])
            return used[-1]

        def renew() -> bool:
            return bool(self.tokens and used and self.tokens.renew(used[-1], self._bare_http(kept)))

        credentials = Credentials(self.settings, self.secrets, access_token)
        client = self._bare_http(kept)
        client.authorize = lambda request: self.scheme.apply(request, credentials)
        client.renew = renew if self.tokens else None
        return client

    def oauth_client(self) -> Client:
        """Return who asks for tokens."""
        return Client(self.settings, self.secrets)

    def bare_http(self) -> Http:
        """Return a client without authentication, for requests that bring their own."""
        return self._bare_http([])

    def _bare_http(self, exchanges: list[Exchange]) -> Http:
        return Http(
            base_urls=self.base_urls,
            authorize=lambda request: None,
            classify=self.provider.classify,
            policy=self.policy,
            redactor=self.redactor,
            transport=self.transport,
            sandbox_url=self.sandbox_url,
            default_headers=self.provider.headers,
            exchanges=exchanges,
            limit_headers=self.provider.limit_headers,
        )


def open_connection(
    integration: Integration,
    *,
    transport: Transport | None = None,
    sandbox_url: str = "",
    rehearsed: Credential | None = None,
) -> Connection:
    """Open the integration's credential and return its connection.

    ``rehearsed`` takes the credential's place and is never saved: what it is given is forgotten.

    ``sandbox_url`` stands in for the provider's hosts even where the integration is not set to the
    sandbox (tests). Raise KeyError where the provider's code is gone or a setting of its address
    is missing, KeyringError where the credential cannot be opened.
    """
    provider = integration.provider
    scheme = provider.scheme(integration.auth_key)
    values = with_defaults(provider, integration.auth_key, integration.settings)
    kept = rehearsed or Credential.objects.filter(integration=integration).first()
    credential = kept or Credential(integration=integration)
    if any(field.lost_in(credential) for field in (_SECRETS, _TOKENS)):
        raise KeyringError(REASON)
    secrets = dict(credential.secrets or {})
    sandbox = sandbox_url.rstrip("/") or sandbox_of(integration)
    redactor = Redactor(str(value) for value in secrets.values())
    tokens = None
    if scheme.token is not None:
        source = RehearsedTokens if rehearsed else TokenSource
        tokens = source(credential, scheme.token, Client(values, secrets), redactor)
    return Connection(
        provider=provider,
        scheme=scheme,
        settings=values,
        secrets=secrets,
        base_urls=_base_urls(provider, values, sandbox),
        sandbox_url=sandbox,
        policy=_policy(integration, provider, sandbox),
        redactor=redactor,
        transport=transport or through_door,
        tokens=tokens,
    )


def build_context(
    integration: Integration,
    *,
    idempotency_key: str,
    transport: Transport | None = None,
    now: datetime | None = None,
    sandbox_url: str = "",
) -> Context:
    """Open the connection for one use; see ``open_connection`` and ``Connection.context``."""
    connection = open_connection(integration, transport=transport, sandbox_url=sandbox_url)
    return connection.context(idempotency_key, now=now)


def sandbox_of(integration: Integration) -> str:
    """Return the sandbox's address of the integration's provider, or '' where it is real."""
    if not integration.sandbox:
        return ""
    return f"{django_settings.HUB.sandbox_url}/{integration.provider_slug}"


def with_defaults(provider: Provider, auth_key: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which every declared, non-secret field has at least its default."""
    fields = provider.fields_for(auth_key)
    defaults = {each.name: each.default for each in fields if not each.secret and each.default is not None}
    return {**defaults, **values}


def _base_urls(provider: Provider, values: Mapping[str, Any], sandbox: str) -> dict[str, str]:
    urls = provider.urls(values)
    if not sandbox:
        return urls
    return {host: sandbox + urlsplit(url).path.rstrip("/") for host, url in urls.items()}


def _policy(integration: Integration, provider: Provider, sandbox: str) -> Policy:
    allowed = {str(host).strip().lower() for host in integration.allowed_hosts or []}
    if sandbox:
        allowed.add(urlsplit(sandbox).netloc.lower())
    timeout = integration.timeout or provider.timeout
    return Policy(
        allowed_hosts=frozenset(allowed),
        connect_timeout=min(CONNECT_TIMEOUT, timeout),
        read_timeout=timeout,
        total_timeout=timeout + CONNECT_TIMEOUT,
    )
