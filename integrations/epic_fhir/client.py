"""SMART Backend Services sign-in, and FHIR's own errors."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hub.lib.outbound import Response
from integrations.base.auth import TokenAuth, TokenGrant
from integrations.base.errors import AuthError, IntegrationError, PermanentError, Rejected, TransientError
from integrations.base.fields import Field
from integrations.base.provider import Context
from integrations.base.responses import classifier

FHIR_JSON = "application/fhir+json"

_by_status = classifier(message="error_description || error")
_SCOPES_HINT = "Add this API to the app on fhir.epic.com and ask the organization to update it."


def classify(response: Response) -> None:
    """Raise the right IntegrationError for an answer that is no success; reads OperationOutcome.

    401 means the token; 403 an API or a record that the app may not use, so only this item fails.
    """
    try:
        _by_status(response)
    except IntegrationError as error:
        issues = list(_issues_of(response))
        if not issues:
            raise
        error.message = f"The provider answered {response.status}: " + "; ".join(text for _, text in issues)
        error.args = (error.message,)
        if response.status in (400, 422):
            fields = {path: text for path, text in issues if path}
            if fields:
                raise Rejected(error.message, fields=fields, status=response.status) from None
        if response.status == 403 and isinstance(error, PermanentError):
            error.hint = _SCOPES_HINT
        raise


def _issues_of(response: Response) -> Iterator[tuple[str, str]]:
    try:
        body = response.json()
    except ValueError:
        return iter(())
    return issues_of(body)


def issues_of(body: Any) -> Iterator[tuple[str, str]]:
    """Yield (field path, sentence) per issue of an OperationOutcome; the path may be empty."""
    if not isinstance(body, Mapping) or body.get("resourceType") != "OperationOutcome":
        return
    for issue in body.get("issue") or []:
        details = issue.get("details") or {}
        coding: Mapping[str, Any] = next(iter(details.get("coding") or []), {})
        text = details.get("text") or issue.get("diagnostics") or coding.get("display") or issue.get("code")
        code = f" ({coding['code']})" if coding.get("code") else ""
        where = next(iter(issue.get("expression") or issue.get("location") or []), "")
        yield str(where), f"{text}{code}"


def post(ctx: Context, path: str, resource: Mapping[str, Any]) -> Response:
    """Post a resource as FHIR JSON, marked with the delivery's key."""
    return ctx.http.post(
        path,
        body=json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode(),
        headers={"Content-Type": FHIR_JSON, "X-Request-Id": ctx.idempotency_key},
    )


def fhir_json(response: Response) -> dict[str, Any]:
    """Return the answer's resource; raise TransientError where it is none."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise TransientError("The server's answer is not FHIR JSON; something in between may have given it.")
    return body


def id_in(location: str, kind: str) -> str:
    """Return the id in …/Patient/<id>, or …/Patient/<id>/_history/<version>; empty where there is none."""
    _, found, rest = location.rpartition(f"{kind}/")
    return rest.partition("/")[0] if found else ""


def token_endpoint(settings: Mapping[str, Any], get: Callable[[str], bytes]) -> str:
    """Return where tokens are had: the setting, else what the server's SMART configuration names.

    Raises AuthError where it names none, or one that is not encrypted though the server is.
    """
    if settings.get("token_url"):
        return str(settings["token_url"])
    base = str(settings["fhir_base_url"]).rstrip("/")
    hint = "Check the FHIR base address, or enter the token address."
    try:
        found = json.loads(get(f"{base}/.well-known/smart-configuration")).get("token_endpoint")
    except (ValueError, AttributeError):
        raise AuthError("The server's SMART configuration cannot be read.", hint=hint) from None
    if not isinstance(found, str) or not urlsplit(found).hostname:
        raise AuthError("The server's SMART configuration names no token address.", hint=hint)
    if base.startswith("https://") and not found.startswith("https://"):
        raise AuthError("The server names a token address without encryption.", hint=hint)
    return found


def server_of(settings: Mapping[str, Any]) -> str:
    """Return the FHIR base address in one spelling: each organization, and each environment, has its own."""
    parts = urlsplit(str(settings.get("fhir_base_url") or ""))
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def sample_key() -> str:
    """Return a new RSA private key (PEM) for tests and the sandbox."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


BACKEND = TokenAuth(
    key="backend",
    label="SMART Backend Services",
    account_by="the FHIR base address",
    account_of=server_of,
    fields=(
        Field(
            "client_id",
            "Client ID",
            help="Of the backend app on fhir.epic.com; there is one for tests and one for production.",
            example="00000000-0000-4000-8000-000000000000",
            pattern=r"[A-Za-z0-9._:/-]{1,200}",
        ),
        Field(
            "private_key",
            "Private key",
            help="PEM, RSA of at least 2048 bits (RS384) or the curve P-384 (ES384).",
            pattern=r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END [A-Z ]*PRIVATE KEY-----",
            kind="textarea",
            max_length=10_000,
            secret=True,
            sample=sample_key,
        ),
        Field(
            "kid",
            "Key ID",
            help="Names the key in the JWK Set that Epic knows.",
            example="interchange-2026",
            pattern=r"[\x21-\x7e]{1,200}",
        ),
        Field(
            "algorithm",
            "Signature algorithm",
            help="RS384 for an RSA key, ES384 for an elliptic-curve key.",
            example="RS384",
            default="RS384",
            choices=(("RS384", "RS384 (RSA)"), ("ES384", "ES384 (P-384)")),
        ),
        Field(
            "token_url",
            "Token address",
            help="Left empty, it is found in the server's SMART configuration.",
            example="https://fhir.epic.com/interconnect-fhir-oauth/oauth2/token",
            pattern=r"https?://\S+",
            kind="url",
            required=False,
        ),
        Field(
            "scopes",
            "Scopes",
            help="Left empty: reading and writing of Patient and Observation. Some servers want others.",
            example="system/Patient.rs system/Observation.rs",
            pattern=r"[\x21-\x7e]+( [\x21-\x7e]+)*",
            required=False,
        ),
    ),
    token=TokenGrant(
        grant="jwt_assertion",
        token_url="{token_url}",
        scopes=(
            "system/Patient.read",
            "system/Patient.write",
            "system/Observation.read",
            "system/Observation.write",
        ),
        discover=token_endpoint,
    ),
)
