"""Epic has no SDK: SMART's rules hold its token request, FHIR's own schema its resources."""

import json
import os
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from jsonschema import Draft7Validator

from integrations.base.errors import AuthError
from integrations.base.fixtures import call_fixture
from integrations.base.inputs import read_input
from integrations.base.oauth import Client, client_token
from integrations.epic_fhir.provider import PROVIDER
from tests.conftest import Door
from tests.integrations.support import context

BASE = "https://fhir.epic.com/interconnect-fhir-oauth/api/FHIR/R4"
TOKEN = "https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token"
GRANT = PROVIDER.scheme("backend").token
ROOT = Path(__file__).resolve().parents[3]
SCHEMA = (
    ROOT
    / (os.environ.get("CONTRACTS_DIR") or Path("..", "shared", "contracts"))
    / "extra"
    / "fhir-r4.schema.json"
)

CREATED = ["epic_fhir.patient.create", "epic_fhir.observation.create"]


def pem(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


KEYS = {
    "RS384": (lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAKey),
    "ES384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECKey),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_assertion_is_what_smart_backend_services_asks_for(door: Door, algorithm: str):
    make, kind = KEYS[algorithm]
    private = pem(make())
    door.answer("GET", f"{BASE}/.well-known/smart-configuration", json={"token_endpoint": TOKEN})
    door.answer("POST", TOKEN, json={"access_token": "t", "token_type": "bearer", "expires_in": 3600})
    ctx = context(PROVIDER, private_key=private, algorithm=algorithm, token_url=None, scopes=None)
    client = Client(ctx.settings, ctx.secrets)
    tokens = [client_token(GRANT, client, ctx.http) for _ in range(2)]
    assert tokens[0].access_token == "t"
    assert tokens[0].refresh_token == ""
    assert 3500 < tokens[0].expires_at - time.time() <= 3600

    posts = [sent for sent in door.requests if sent.method == "POST"]
    form = posts[0].form
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert "system/Patient.read" in form["scope"][0].split()
    assert not posts[0].header("Authorization")

    decoded = [
        jwt.decode(sent.form["client_assertion"][0], kind.import_key(private), [algorithm]) for sent in posts
    ]
    header, claims = decoded[0].header, decoded[0].claims
    assert header == {"alg": algorithm, "typ": "JWT", "kid": ctx.settings["kid"]}
    assert claims["iss"] == claims["sub"] == ctx.settings["client_id"]
    assert claims["aud"] == TOKEN
    assert 0 < claims["exp"] - time.time() <= 300
    assert len(claims["jti"]) <= 151
    assert decoded[1].claims["jti"] != claims["jti"]


def test_a_key_that_epic_does_not_know_needs_reconnecting(door: Door):
    door.answer("POST", TOKEN, 400, json={"error": "invalid_client", "error_description": None})
    ctx = context(PROVIDER)
    with pytest.raises(AuthError) as caught:
        client_token(GRANT, Client(ctx.settings, ctx.secrets), ctx.http)
    assert caught.value.hint


def test_a_key_that_does_not_fit_the_algorithm_is_named(door: Door):
    ctx = context(PROVIDER, algorithm="ES384")
    with pytest.raises(AuthError, match="ES384"):
        client_token(GRANT, Client(ctx.settings, ctx.secrets), ctx.http)


def created(door: Door, action: str) -> dict:
    found, fixture = PROVIDER.action(action), call_fixture(PROVIDER, "actions", action)
    door.answer("POST", lambda sent: True, 201)
    found.run(context(PROVIDER), read_input(found.input, fixture.input))
    return door.last.json


@pytest.mark.parametrize(("action", "model"), list(zip(CREATED, [Patient, Observation], strict=True)))
def test_what_is_created_reads_back_the_same(door: Door, action: str, model: type):
    sent = created(door, action)
    assert json.loads(model.model_validate(sent).model_dump_json()) == sent


@pytest.mark.skipif(not SCHEMA.exists() and not os.environ.get("CI"), reason="FHIR's schema is not here.")
@pytest.mark.parametrize("action", CREATED)
def test_what_is_created_fits_fhirs_own_schema_of_r4(door: Door, action: str):
    sent = created(door, action)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = {"$ref": f"#/definitions/{sent['resourceType']}", "definitions": schema["definitions"]}
    assert list(Draft7Validator(kind).iter_errors(sent)) == []


@pytest.mark.parametrize("action", ["epic_fhir.patient.search", "epic_fhir.observation.search"])
def test_the_sandbox_answers_with_real_bundles(action: str):
    (exchange,) = call_fixture(PROVIDER, "actions", action).exchanges
    assert Bundle.model_validate(exchange.body).entry


@pytest.mark.parametrize("action", ["epic_fhir.patient.upsert", "epic_fhir.observation.upsert"])
def test_a_transaction_reads_back_the_same(door: Door, action: str):
    found, fixture = PROVIDER.action(action), call_fixture(PROVIDER, "actions", action)
    answer = {"entry": [{"response": {"status": "200 OK"}}]}
    door.answer("POST", lambda sent: True, json=answer)
    found.run(context(PROVIDER), read_input(found.input, fixture.input))
    bundle = Bundle.model_validate(door.last.json)
    assert json.loads(bundle.model_dump_json()) == door.last.json
    assert bundle.type == "transaction"
