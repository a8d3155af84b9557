"""The sandbox's side of a sign-in: a page that asks, a code, and tokens for it (RFC 6749, 7636).

So a person can walk "Connect with …" from end to end without an account anywhere. What a real
provider checks is checked here too: the redirect address, the code, and the PKCE verifier.
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from hub.lib.outbound import Response
from integrations.base.auth import AuthScheme, TokenGrant
from integrations.base.fixtures import Request, encode, fits_path, token_fixture
from integrations.base.provider import Provider
from integrations.base.sandbox_page import STYLE

#: Seconds that an access token is said to be good for.
LIFETIME = 1800
#: Sign-ins that are remembered until their code is used.
KEEP = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the hub asked for when it sent the browser here."""

    slug: str
    client_id: str
    redirect_uri: str
    challenge: str
    scope: str


class SignIns:
    """The sign-ins of all the sandbox's providers. Safe for many threads."""

    def __init__(self) -> None:
        self._codes: dict[str, _Asked] = {}
        self._lock = threading.Lock()

    def answer(self, provider: Provider, request: Request) -> Response | None:
        """Return the answer to a request of a sign-in; None where it is another request."""
        for scheme in provider.auth:
            grant = scheme.token
            if grant is None or grant.grant != "code":
                continue
            if fits_path(urlsplit(grant.authorize_url).path, request.path):
                return self._authorize(provider, request)
            if request.method == "POST" and fits_path(urlsplit(grant.token_url).path, request.path):
                return self._token(provider, scheme, grant, request)
        return None

    def _authorize(self, provider: Provider, request: Request) -> Response:
        query = request.query
        back = query.get("redirect_uri", "")
        if urlsplit(back).scheme not in ("http", "https") or not query.get("client_id"):
            return _page(400, "<p>The address lacks <code>client_id</code> or <code>redirect_uri</code>.</p>")
        decision = request.form().get("decision", "")
        if request.method != "POST" or decision not in ("allow", "deny"):
            return _page(200, _question(provider, query))
        if decision == "deny":
            said = {"error": "access_denied", "error_description": "The person said no."}
        else:
            said = {"code": self._code(provider, query)}
        answer = urlencode({**said, "state": query.get("state", "")})
        return Response(302, {"location": f"{back}{'&' if '?' in back else '?'}{answer}"})

    def _code(self, provider: Provider, query: Mapping[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        asked = _Asked(
            provider.slug,
            query["client_id"],
            query["redirect_uri"],
            query.get("code_challenge", ""),
            query.get("scope", ""),
        )
        with self._lock:
            self._codes[code] = asked
            while len(self._codes) > KEEP:
                del self._codes[next(iter(self._codes))]
        return code

    def _token(self, provider: Provider, scheme: AuthScheme, grant: TokenGrant, request: Request) -> Response:
        form = request.form()
        scope = grant.scope_separator.join(grant.scopes)
        if form.get("grant_type") == "authorization_code":
            with self._lock:
                asked = self._codes.pop(form.get("code", ""), None)
            if asked is None or not _proved(asked, provider, form):
                said = "The code is not known, was used already, or belongs to another sign-in."
                return _json(400, {"error": "invalid_grant", "error_description": said})
            scope = asked.scope or scope
        given = {
            "access_token": f"sandbox-access-{secrets.token_urlsafe(12)}",
            "refresh_token": f"sandbox-refresh-{secrets.token_urlsafe(12)}",
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": scope,
        }
        return _json(200, {**given, **token_fixture(provider, scheme.key)})


def _proved(asked: _Asked, provider: Provider, form: Mapping[str, str]) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    same = asked.slug == provider.slug and asked.redirect_uri == form.get("redirect_uri")
    return same and (not asked.challenge or asked.challenge == challenge)


def _question(provider: Provider, query: Mapping[str, str]) -> str:
    scopes = query.get("scope", "").replace(",", " ").split()
    wanted = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in scopes)
    app = escape(query["client_id"])
    return (
        f"<h1>{escape(provider.name)} (sandbox)</h1>"
        f"<p>This page stands in for the sign-in at {escape(provider.name)}. "
        "Nothing leaves this machine, and no account is needed.</p>"
        f"<p>The app <code>{app}</code> asks to be connected{' with these rights' if wanted else ''}.</p>"
        f"{f'<ul>{wanted}</ul>' if wanted else ''}"
        '<form method="post"><button name="decision" value="allow" class="main">Allow</button> '
        '<button name="decision" value="deny">Deny</button></form>'
    )


def _page(status: int, body: str) -> Response:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in (sandbox)</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    }
    return Response(status, headers, html.encode())


def _json(status: int, body: Any) -> Response:
    raw, media_type = encode(body)
    return Response(status, {"content-type": media_type, "cache-control": "no-store"}, raw)
