"""Authentication schemes: data that says which fields an admin enters and what a request carries.

A provider lists one or more; the admin chooses one when connecting. Schemes with ``token`` set
need an access token that the hub fetches, keeps encrypted and renews (``hub.connections.tokens``).
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.base.fields import Field
from integrations.base.http import Outgoing


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a scheme may use: settings, opened secrets and, where kept, an access token."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    access_token: Callable[[], str] = field(repr=False, default=lambda: "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthScheme:
    """No authentication beyond what an action itself puts into its request."""

    key: str = "none"
    label: str = "No authentication"
    fields: tuple[Field, ...] = ()
    #: How the hub gets an access token for this scheme; None: it needs none.
    token: "TokenGrant | None" = None
    #: Days after which the provider ends every secret of this scheme; 0: it does not.
    lifetime_days: int = 0
    #: By what the connected account is told from another one, in words: “the portal's id”. Empty: by
    #: nothing, and the pages say so. The connection test gives the id (``Result.account_id``) …
    account_by: str = ""
    #: … or, where the API does not say who is connected, this reads one from the settings.
    account_of: Callable[[Mapping[str, Any]], str] | None = None

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        """Add to ``request`` what proves who we are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderAuth(AuthScheme):
    """A secret in a header: ``Authorization: Bearer …`` unless said otherwise."""

    key: str = "token"
    label: str = "API key"
    secret: str = "api_key"
    header: str = "Authorization"
    template: str = "Bearer {secret}"

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        value = credentials.secrets.get(self.secret, "")
        if value:
            request.headers[self.header] = self.template.format(secret=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth(AuthScheme):
    """HTTP Basic with two declared fields; the user may be a setting or a secret."""

    key: str = "basic"
    label: str = "User name and password"
    user: str = "username"
    password: str = "password"

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        user = credentials.secrets.get(self.user) or credentials.settings.get(self.user, "")
        pair = f"{user}:{credentials.secrets.get(self.password, '')}".encode()
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuth(AuthScheme):
    """OAuth 2.0: the access token that the hub keeps for this integration."""

    key: str = "oauth2"
    label: str = "OAuth 2.0"

    def apply(self, request: Outgoing, credentials: Credentials) -> None:
        request.headers["Authorization"] = f"Bearer {credentials.access_token()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """How an OAuth 2.0 access token is had (RFC 6749, 7636, 7523).

    ``code``: the admin signs in at ``authorize_url`` (PKCE and state), then refresh tokens.
    ``client_credentials``: client id and secret. ``jwt_assertion``: a JWT signed with the
    secret ``private_key`` (RFC 7523 client authentication). URLs may hold ``{setting}``
    placeholders.
    """

    grant: Literal["code", "client_credentials", "jwt_assertion"]
    token_url: str
    authorize_url: str = ""
    scopes: tuple[str, ...] = ()
    scope_separator: str = " "
    pkce: bool = True
    client_auth: Literal["body", "basic"] = "body"
    extra_authorize_params: Mapping[str, str] = field(default_factory=dict)
    #: Name of the setting that holds the JWS algorithm of a ``jwt_assertion``.
    algorithm_setting: str = "algorithm"
    #: Finds the token endpoint from the settings where it is not a plain template.
    discover: Callable[[Mapping[str, Any], Callable[[str], bytes]], str] | None = None
    #: Reads a label of the connected account from the token answer (JMESPath).
    account: str = ""
