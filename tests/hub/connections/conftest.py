"""A provider of the tests' own, with every way to authenticate."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from integrations.base import registry
from integrations.base.auth import BasicAuth, HeaderAuth, TokenAuth, TokenGrant
from integrations.base.fields import Field
from integrations.base.provider import ConnectionTest, Provider

CLIENT = (
    Field("client_id", "Client ID"),
    Field("client_secret", "Client secret", secret=True),
)

ACME = Provider(
    slug="acme",
    name="Acme",
    category="crm",
    summary="For tests.",
    docs_url="https://docs.acme.example",
    base_urls={"default": "https://{region}.acme.example/api", "files": "https://files.acme.example"},
    fields=(Field("region", "Region", default="eu", pattern="[a-z]{2}"),),
    headers={"X-Acme-Version": "7"},
    timeout=12,
    auth=(
        HeaderAuth(fields=(Field("api_key", "API key", secret=True, pattern=r"ak_\w+", example="ak_1"),)),
        BasicAuth(fields=(Field("username", "User"), Field("password", "Password", secret=True))),
        TokenAuth(
            key="oauth2",
            fields=CLIENT,
            token=TokenGrant(
                grant="code",
                authorize_url="https://{region}.acme.example/authorize",
                token_url="https://{region}.acme.example/token",
                scopes=("read", "write"),
                extra_authorize_params={"access_type": "offline"},
                account="team.name",
            ),
        ),
        TokenAuth(
            key="machine",
            fields=CLIENT,
            token=TokenGrant(
                grant="client_credentials",
                token_url="https://{region}.acme.example/token",
                scopes=("read", "write"),
                client_auth="basic",
            ),
        ),
        TokenAuth(
            key="signed",
            fields=(
                Field("client_id", "Client ID"),
                Field("kid", "Key ID", required=False),
                Field("algorithm", "Algorithm", default="RS384"),
                Field("private_key", "Private key", secret=True, kind="textarea"),
            ),
            token=TokenGrant(
                grant="jwt_assertion", token_url="https://{region}.acme.example/token", scopes=("all",)
            ),
        ),
    ),
    test=ConnectionTest(
        path="/me", account="name", hints={403: "Give the key the permission “me”."}, ok_body='"name"'
    ),
)


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Install the provider for the test."""
    monkeypatch.setattr(registry, "providers", lambda: {"acme": ACME})
    return ACME


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A key pair is made for each run, never kept."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
