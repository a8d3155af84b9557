"""OAuth 2.0 with Authlib, through the outbound door.

Every function takes the ``Http`` of the integration, so that token requests meet the same door,
sandbox and redaction as any other. Errors: AuthError where the provider refuses (somebody must
reconnect), RateLimited and TransientError where it may pass later.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jmespath
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from requests.adapters import BaseAdapter

from hub.lib.outbound import Response
from integrations.base.auth import TokenGrant
from integrations.base.errors import AuthError, IntegrationError, RateLimited, TransientError
from integrations.base.http import Http, Outgoing
from integrations.base.responses import standard_retry_after

#: Seconds a client assertion is good for: SMART allows five minutes at most.
ASSERTION_LIFETIME = 240
#: Errors of RFC 6749 §4.1.2.1 that pass by themselves.
_PASSING = frozenset({"temporarily_unavailable", "server_error", "slow_down"})

#: What token answers call the seconds that a refresh token is good for.
REFRESH_LIFETIMES = ("refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a token: the integration's settings (defaults filled in) and opened secrets."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def id(self) -> str:
        """The client id, which some providers treat as a secret."""
        return str(self.settings.get("client_id") or self.secrets.get("client_id", ""))

    def url(self, template: str) -> str:
        """Fill the settings into a URL of the declaration."""
        return template.format_map(self.settings)


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a token endpoint gave. ``expires_at``: Unix seconds, None where it did not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False, default="")
    expires_at: float | None = None
    scope: str = ""
    account: str = ""
    #: When the refresh token ends, after which somebody must sign in again; None where it was not said.
    refresh_expires_at: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form that the credential keeps."""
        return asdict(self)


def new_verifier() -> str:
    """Return a PKCE code verifier (RFC 7636 §4.1)."""
    return generate_token(64)


def authorization_url(
    grant: TokenGrant, client: Client, *, redirect_uri: str, state: str, verifier: str
) -> str:
    """Return where the admin's browser is sent to sign in."""
    session = _session(grant, client, None)
    url, _ = session.create_authorization_url(
        client.url(grant.authorize_url),
        state=state,
        code_verifier=verifier if grant.pkce else None,
        redirect_uri=redirect_uri,
        scope=grant.scope_separator.join(_scopes(grant, client)) or None,
        **grant.extra_authorize_params,
    )
    return str(url)


def exchange_code(
    grant: TokenGrant, client: Client, http: Http, *, code: str, redirect_uri: str, verifier: str
) -> TokenSet:
    """Change the code of a finished sign-in into tokens."""
    extra = {"code_verifier": verifier} if grant.pkce else {}
    return _ask(
        grant,
        client,
        http,
        grant_type="authorization_code",
        code=code,
        redirect_uri=redirect_uri,
        **extra,
    )


def refresh(grant: TokenGrant, client: Client, http: Http, refresh_token: str) -> TokenSet:
    """Get a new access token; a refresh token that the answer does not replace stays."""
    return _ask(grant, client, http, grant_type="refresh_token", refresh_token=refresh_token)


def client_token(grant: TokenGrant, client: Client, http: Http) -> TokenSet:
    """Get a token for the client itself: by its secret, or by a signed assertion (RFC 7523)."""
    extra = {"scope": grant.scope_separator.join(_scopes(grant, client))} if _scopes(grant, client) else {}
    return _ask(grant, client, http, grant_type="client_credentials", **extra)


def _ask(grant: TokenGrant, client: Client, http: Http, **params: str) -> TokenSet:
    adapter = _DoorAdapter(http)
    session = _session(grant, client, adapter)
    url = _token_url(grant, client, http)
    if grant.grant == "jwt_assertion":
        _sign_by_key(session, grant, client, url)
    try:
        token = session.fetch_token(url, **params)
    except OAuthError as error:
        raise _refused(adapter.answer, str(error.error or ""), str(error.description or "")) from None
    except (requests.RequestException, ValueError) as error:
        if adapter.answer is None:
            raise AuthError(
                "The token request could not be built from this credential.",
                hint="Check the client ID and the private key, and enter them again.",
            ) from error
        raise _refused(adapter.answer, "", "") from None
    return _token_set(grant, token, params.get("refresh_token", ""))


def _token_url(grant: TokenGrant, client: Client, http: Http) -> str:
    if grant.discover is None:
        return client.url(grant.token_url)

    def fetch(url: str) -> bytes:
        return http.get(url, auth=False, headers={"Accept": "application/json"}).body

    return grant.discover(client.settings, fetch)


def _token_set(grant: TokenGrant, token: Mapping[str, Any], old_refresh: str) -> TokenSet:
    access = token.get("access_token")
    if not isinstance(access, str) or not access:
        raise AuthError(
            "The token endpoint answered without an access token.",
            hint="Check the token URL and the permissions of the app at the provider.",
        )
    account = jmespath.search(grant.account, dict(token)) if grant.account else ""
    return TokenSet(
        access_token=access,
        refresh_token=str(token.get("refresh_token") or old_refresh),
        expires_at=_expiry(token.get("expires_in")),
        scope=str(token.get("scope") or ""),
        account="" if account is None else str(account),
        refresh_expires_at=_refresh_expiry(token),
    )


def _refresh_expiry(token: Mapping[str, Any]) -> float | None:
    """RFC 6749 names no lifetime of refresh tokens; these names are what providers use."""
    said = (token.get(name) for name in REFRESH_LIFETIMES)
    return next((at for at in map(_expiry, said) if at is not None), None)


def _expiry(seconds: Any) -> float | None:
    try:
        return time.time() + float(seconds)
    except (TypeError, ValueError):
        return None


def _refused(answer: Response | None, code: str, description: str) -> IntegrationError:
    status = answer.status if answer else None
    said = " ".join(part for part in (code, f"({description})" if description else "") if part)
    text = f"The token endpoint answered {status}" + (f": {said}." if said else ".")
    wait = standard_retry_after(answer) if answer else None
    if status == 429:
        return RateLimited(text, status=status, retry_after=wait)
    if code in _PASSING or (status is not None and (status >= 500 or status == 408)):
        return TransientError(text, status=status, retry_after=wait)
    return AuthError(text, status=status, hint=_HINTS.get(code, _HINTS[""]))


_HINTS = {
    "": "Check the client ID, the secret and the token URL, then connect again.",
    "invalid_grant": "The sign-in has expired or was withdrawn at the provider: connect again.",
    "invalid_client": "The provider does not know this client ID and secret (or key): enter them again.",
    "unauthorized_client": "Allow this way of signing in for the app at the provider.",
    "invalid_scope": "Give the app at the provider the permissions that the instructions list.",
}


def _scopes(grant: TokenGrant, client: Client) -> list[str]:
    """The declared scopes; an integration may have its own in the setting ``scopes``."""
    own = client.settings.get("scopes")
    if isinstance(own, str):
        own = own.replace(",", " ").split()
    return list(own or grant.scopes)


def _session(grant: TokenGrant, client: Client, adapter: "_DoorAdapter | None") -> "_Session":
    secret = client.secrets.get("client_secret", "")
    method = "client_secret_basic" if grant.client_auth == "basic" else "client_secret_post"
    session = _Session(
        client_id=client.id,
        client_secret=secret or None,
        token_endpoint_auth_method=method if secret else "none",
        code_challenge_method="S256",
    )
    session.trust_env = False
    if adapter is not None:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
    return session


def _sign_by_key(session: "_Session", grant: TokenGrant, client: Client, token_url: str) -> None:
    algorithm = str(client.settings.get(grant.algorithm_setting) or "RS384")
    kid = client.settings.get("kid") or client.settings.get("key_id")
    kind = ECKey if algorithm.startswith("ES") else RSAKey
    try:
        session.client_secret = kind.import_key(client.secrets.get("private_key", ""))
    except (ValueError, TypeError, JoseError):
        raise AuthError(
            f"The private key is not one in PEM that {algorithm} can sign with.",
            hint="Paste the whole key, from -----BEGIN to -----END, or choose the algorithm that fits it.",
        ) from None
    session.register_client_auth_method(
        PrivateKeyJWT(
            token_url,
            claims={"exp": int(time.time()) + ASSERTION_LIFETIME, "jti": generate_token(36)},
            headers={"typ": "JWT", **({"kid": str(kid)} if kid else {})},
            alg=algorithm,
        )
    )
    session.token_endpoint_auth_method = PrivateKeyJWT.name


class _Session(OAuth2Session):
    """Authlib's session without redirects: a token request never follows one."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _DoorAdapter(BaseAdapter):
    """Carries what Authlib builds through the integration's own client, and so through the door."""

    def __init__(self, http: Http):
        super().__init__()
        self.http = http
        self.answer: Response | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {name: _text(value) for name, value in request.headers.items()}
        headers.pop("Content-Length", None)
        outgoing = Outgoing(str(request.method), str(request.url), headers, body if body else None)
        self.answer = answer = self.http.send_raw(outgoing)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.encoding = "utf-8"
        response.url = answer.url
        response.request = request
        response._content = answer.body
        return response

    def close(self) -> None:
        """The door keeps its own connections."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
