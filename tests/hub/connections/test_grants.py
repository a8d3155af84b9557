"""The requests by which access tokens are had."""

import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from hub.connections.tokens import access_token
from integrations.base import oauth
from integrations.base.errors import AuthError
from integrations.base.oauth import Client
from integrations.base.provider import Provider
from tests.conftest import Door
from tests.factories import IntegrationFactory
from tests.hub.connections.conftest import pem

pytestmark = pytest.mark.django_db
TOKEN_URL = "https://eu.acme.example/token"


def test_client_credentials_go_by_basic_where_the_provider_wants_it(door: Door) -> None:
    row = IntegrationFactory(
        provider_slug="acme",
        auth_key="machine",
        settings={"client_id": "c1"},
        credential__secrets={"client_secret": "s/1"},
    )
    door.answer("POST", TOKEN_URL, json={"access_token": "a1", "token_type": "bearer", "expires_in": 60})
    assert access_token(row) == "a1"
    assert door.last.header("Authorization") == "Basic " + base64.b64encode(b"c1:s/1").decode()
    assert door.last.form == {"grant_type": ["client_credentials"], "scope": ["read write"]}
    assert door.last.header("Content-Type").startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "ES256", "ES384"])
def test_a_signed_assertion_proves_the_client(door: Door, algorithm: str) -> None:
    curve = ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1()
    private = (
        ec.generate_private_key(curve)
        if algorithm.startswith("ES")
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    row = IntegrationFactory(
        provider_slug="acme",
        auth_key="signed",
        settings={"client_id": "c1", "kid": "key-7", "algorithm": algorithm},
        credential__secrets={"private_key": pem(private)},
    )
    door.answer("POST", TOKEN_URL, json={"access_token": "a1", "expires_in": 3600})
    assert access_token(row) == "a1"
    form = {name: values[0] for name, values in door.last.form.items()}
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "scope": "all",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    key = (ECKey if algorithm.startswith("ES") else RSAKey).import_key(pem(private))
    token = jwt.decode(assertion, key, algorithms=[algorithm])
    assert token.header == {"alg": algorithm, "typ": "JWT", "kid": "key-7"}
    claims = dict(token.claims)
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("c1", "c1", TOKEN_URL)
    assert 0 < claims["exp"] - time.time() <= 300
    assert len(claims["jti"]) >= 32


def test_the_assertion_is_for_the_real_address_also_at_the_sandbox(door: Door) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    row = IntegrationFactory(
        provider_slug="acme",
        auth_key="signed",
        sandbox=True,
        settings={"client_id": "c1"},
        credential__secrets={"private_key": pem(private)},
    )
    door.answer("POST", "http://127.0.0.1:8009/acme/token", json={"access_token": "a1"})
    access_token(row)
    claims = jwt.decode(
        door.last.form["client_assertion"][0], RSAKey.import_key(pem(private)), algorithms=["RS384"]
    )
    assert claims.claims["aud"] == TOKEN_URL


@pytest.mark.parametrize(
    ("key", "algorithm"), [("planted", "RS384"), ("", "RS384"), ("ec", "RS384"), ("rsa", "ES384")]
)
def test_a_key_that_does_not_fit_is_a_sentence(door: Door, key: str, algorithm: str) -> None:
    made = {
        "ec": pem(ec.generate_private_key(ec.SECP384R1())),
        "rsa": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    }
    row = IntegrationFactory(
        provider_slug="acme",
        auth_key="signed",
        settings={"client_id": "c1", "algorithm": algorithm},
        credential__secrets={"private_key": made.get(key, key)},
    )
    with pytest.raises(AuthError, match="private key") as refused:
        access_token(row)
    assert "planted" not in str(refused.value)
    assert not door.requests


def test_the_sign_in_url_carries_state_pkce_and_scopes(acme: Provider) -> None:
    grant: Any = acme.scheme("oauth2").token
    verifier = oauth.new_verifier()
    url = oauth.authorization_url(
        grant,
        Client({"client_id": "c1", "region": "eu"}, {}),
        redirect_uri="https://hub.example/back",
        state="s1",
        verifier=verifier,
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    assert url.startswith("https://eu.acme.example/authorize?")
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": ["c1"],
        "redirect_uri": ["https://hub.example/back"],
        "scope": ["read write"],
        "state": ["s1"],
        "code_challenge": [challenge],
        "code_challenge_method": ["S256"],
        "access_type": ["offline"],
    }
    assert 43 <= len(verifier) <= 128
