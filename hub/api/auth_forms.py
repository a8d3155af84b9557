"""What the API of signing in takes and answers: forms that bodies are held against, and descriptions."""

from typing import Annotated, Any

from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from pydantic import ConfigDict, Field, StringConstraints

from hub.api import schemas
from hub.config.document import Entry

USER = {"username": "ann@example.com", "name": "Ann Ondaatje", "email": "ann@example.com"}
SIGNED_IN: dict[str, Any] = {
    "state": "signed_in",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 600,
    "refresh_token": "icr_01980f6e2f9a7c319d6e0a1b2c3d4e5f_0_9b74c9897bac770ffc029102a200c5de",
    "user": USER,
    "organizations": [
        {"slug": "shop", "name": "Shop", "role": "operator", "scopes": ["events:read", "events:write"]}
    ],
}
REFRESH = OpenApiExample("A token", {"refresh_token": SIGNED_IN["refresh_token"]}, request_only=True)
CHALLENGED = {
    "state": "second_factor",
    "challenge": "eyJ1c2VyIjo3fQ:1vMAbC:c2lnbmF0dXJl",
    "factors": ["recovery_codes", "totp"],
}


Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Token = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]


class Body(Entry):
    """What people send to sign in; no mistake in it is told with what was sent."""

    model_config = ConfigDict(hide_input_in_errors=True)


class LoginBody(Body):
    """Name and password, or the challenge and the second factor's code."""

    username: Text = Field("", max_length=254, description="User name or e-mail.")
    password: str = Field("", max_length=1000)
    challenge: Text = Field("", max_length=500, description="From the first answer.")
    code: Text = Field("", max_length=40, description="Of the app, or a recovery code.")


class RegisterBody(Body):
    """The account of somebody who is invited."""

    invitation: Text = Field(min_length=1, max_length=200, description="The end of the invitation's link.")
    name: Text = Field(min_length=1, max_length=150)
    password: str = Field(min_length=1, max_length=1000)


class RefreshBody(Body):
    """A refresh token."""

    refresh_token: Text = Field(min_length=1, max_length=300)


class SocialBody(Body):
    """What an identity provider gave the client, under the provider's own name for it."""

    invitation: Text = Field("", max_length=200, description="Of somebody who has no account yet.")


class GoogleBody(SocialBody):
    """What Google gave the client."""

    id_token: Token


class FacebookBody(SocialBody):
    """What Facebook gave the client."""

    access_token: Token


ORGANIZATION = schemas.shape(
    "MyOrganization",
    {
        "slug": schemas.text("For the header X-Organization."),
        "name": schemas.text(),
        "role": schemas.text("viewer, operator or admin"),
        "scopes": schemas.texts(),
    },
)
TOKENS = schemas.shape(
    "SignedIn",
    {
        "state": schemas.text("signed_in"),
        "access_token": schemas.text("For the header Authorization: Bearer …"),
        "token_type": schemas.text("Bearer"),
        "expires_in": schemas.number("Seconds."),
        "refresh_token": schemas.text("Good once, for /api/auth/refresh."),
        "user": schemas.shape(
            "Me", {"username": schemas.text(), "name": schemas.text(), "email": schemas.text()}
        )(),
        "organizations": ORGANIZATION(many=True),
    },
)
CHALLENGE = schemas.shape(
    "SecondFactor",
    {
        "state": schemas.text("second_factor"),
        "challenge": schemas.text("Send it back with the code, within five minutes."),
        "factors": schemas.texts(),
    },
)
EITHER = PolymorphicProxySerializer(
    "SignedInOrSecondFactor", [TOKENS, CHALLENGE], resource_type_field_name=None
)
EXAMPLES = [
    OpenApiExample("Signed in", SIGNED_IN, response_only=True, status_codes=["200"]),
    OpenApiExample("A second factor is needed", CHALLENGED, response_only=True, status_codes=["200"]),
]
