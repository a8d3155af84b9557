"""Any HTTPS endpoint: JSON, signed as Standard Webhooks 1.0.0 says (github.com/standard-webhooks)."""

from integrations.base.auth import AuthScheme, BasicAuth, HeaderAuth
from integrations.base.fields import Field
from integrations.base.limits import LimitHeaders, Reset
from integrations.base.provider import Provider, RateLimit
from integrations.base.standard_webhooks import new_signing_key
from integrations.http.client import NamedHeader, classify, connection_test, receiver_of, send, user_of
from integrations.http.webhooks import WEBHOOK

HOST = "the host of the address"

PROVIDER = Provider(
    slug="http",
    name="HTTP endpoint",
    category="automation",
    summary="Signed JSON to any address, and signed calls from any sender.",
    docs_url="https://www.standardwebhooks.com/",
    colour="#0f766e",
    base_urls={"default": "{url}"},
    auth=(
        AuthScheme(label="Nothing but the signature", account_by=HOST, account_of=receiver_of),
        HeaderAuth(
            key="bearer",
            label="Bearer token",
            account_by=HOST,
            account_of=receiver_of,
            secret="token",  # the field's name
            fields=(
                Field(
                    "token",
                    "Token",
                    help="Sent as “Authorization: Bearer …”.",
                    example="example-token-0000",
                    secret=True,
                ),
            ),
        ),
        BasicAuth(
            account_by=f"{HOST} and the user name",
            account_of=user_of,
            fields=(
                Field("username", "User name", help="For HTTP Basic authentication.", example="interchange"),
                Field(
                    "password",
                    "Password",
                    help="For HTTP Basic authentication.",
                    example="example-password-0000",
                    secret=True,
                ),
            ),
        ),
        NamedHeader(
            account_by=HOST,
            account_of=receiver_of,
            fields=(
                Field(
                    "header_name",
                    "Header",
                    help="Name of the header that carries the key.",
                    example="X-Api-Key",
                    pattern=r"[A-Za-z0-9-]{1,80}",
                ),
                Field(
                    "header_value",
                    "Value",
                    help="The key itself.",
                    example="example-key-0000",
                    pattern=r"[\x20-\x7e]+",
                    secret=True,
                ),
            ),
        ),
    ),
    fields=(
        Field(
            "url",
            "Address",
            help="Where the messages go. A host on a private network must be on the integration's list.",
            example="https://hooks.example.com/interchange",
            pattern=r"https?://[^\s/?#@]+([/?]\S*)?",
            kind="url",
            max_length=2000,
        ),
        Field(
            "method",
            "Method",
            help="POST, unless the endpoint wants another.",
            default="POST",
            choices=(("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")),
        ),
        Field(
            "signing_secret",
            "Signing secret (v1)",
            help="Shared with the receiver: whsec_ and 24 to 64 bytes in base64. Empty: no v1 signature.",
            example="whsec_ZXhhbXBsZS1zZWNyZXQtb2YtYW4tZW5kcG9pbnQ=",
            pattern=r"(whsec_)?[A-Za-z0-9+/]{32,86}={0,2}",
            secret=True,
            required=False,
        ),
        Field(
            "signing_key",
            "Signing key (v1a)",
            help="Ed25519 key whose public half (whpk_…) the receiver has: whsk_ and 64 bytes in base64.",
            example="whsk_" + "A" * 86 + "==",
            pattern=r"whsk_[A-Za-z0-9+/]{86}(==)?",
            secret=True,
            required=False,
            sample=lambda: new_signing_key(b"interchange sandbox"),
        ),
        Field(
            "previous_key",
            "Previous key",
            help="While a key is replaced: the old one (whsec_… or whsk_…), which signs as well.",
            example="whsec_ZXhhbXBsZS1zZWNyZXQtdGhhdC13YXMtYmVmb3Jl",
            pattern=r"(whsec_|whsk_)?[A-Za-z0-9+/]{32,86}={0,2}",
            secret=True,
            required=False,
        ),
        Field(
            "previous_until",
            "Previous key until",
            help="Last day (UTC) on which the previous key signs as well; empty: until it is removed.",
            example="2030-12-31",
            pattern=r"\d{4}-\d{2}-\d{2}",
            required=False,
        ),
        Field(
            "headers",
            "Further headers",
            help="One a line, as “Name: value”. Nothing secret: choose an authentication for that.",
            example="X-Source: interchange",
            pattern=r"[A-Za-z0-9-]{1,80}:\s*[\x20-\x7e]*",
            kind="list",
            required=False,
        ),
    ),
    test=connection_test,
    actions=(send,),
    rate_limit=RateLimit(20, 1),
    limit_headers=(
        # As GitHub and many others have them, and as the IETF's draft had them.
        LimitHeaders("X-RateLimit-Remaining", "X-RateLimit-Reset", Reset.NUMBER),
        LimitHeaders("RateLimit-Remaining", "RateLimit-Reset", Reset.NUMBER),
    ),
    classify=classify,
    webhook=WEBHOOK,
)
