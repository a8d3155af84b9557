"""What the API of signing in takes and answers: forms that bodies are held against, and descriptions."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer
from rest_framework import serializers

from hub.api import schemas

USER = {"username": "ann@example.com", "name": "Ann Ondaatje", "email": "ann@example.com"}
SIGNED_IN: dict[str, Any] = {
    "state": "signed_in",
    "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 600,
    "refresh_token": "icr_01980f6e2f9a7c319d6e0a1b2c3d4e5f_0_9b74c9897bac770ffc029102a200c5de",
    "user": USER,
    "organizations": [
        {"slug": "acme", "name": "Acme", "role": "operator", "scopes": ["events:read", "events:write"]}
    ],
}
REFRESH = OpenApiExample("A token", {"refresh_token": SIGNED_IN["refresh_token"]}, request_only=True)
CHALLENGED = {
    "state": "second_factor",
    "challenge": "eyJ1c2VyIjo3fQ:1vMAbC:c2lnbmF0dXJl",
    "factors": ["recovery_codes", "totp"],
}


class LoginBody(serializers.Serializer):
    """Name and password, or the challenge and the second factor's code."""

    username = serializers.CharField(required=False, max_length=254, help_text="User name or e-mail.")
    password = serializers.CharField(required=False, max_length=1000, trim_whitespace=False)
    challenge = serializers.CharField(required=False, max_length=500, help_text="From the first answer.")
    code = serializers.CharField(required=False, max_length=40, help_text="Of the app, or a recovery code.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One pair, whole."""
        if bool(attrs.get("username") and attrs.get("password")) == bool(
            attrs.get("challenge") and attrs.get("code")
        ):
            raise serializers.ValidationError("Send username and password, or challenge and code.")
        return attrs


class RegisterBody(serializers.Serializer):
    """The account of somebody who is invited."""

    invitation = serializers.CharField(max_length=200, help_text="The end of the invitation's link.")
    name = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class RefreshBody(serializers.Serializer):
    """A refresh token."""

    refresh_token = serializers.CharField(max_length=300)


class GoogleBody(serializers.Serializer):
    """What Google gave the client."""

    id_token = serializers.CharField(max_length=10_000)
    invitation = serializers.CharField(required=False, max_length=200)


class FacebookBody(serializers.Serializer):
    """What Facebook gave the client."""

    access_token = serializers.CharField(max_length=10_000)
    invitation = serializers.CharField(required=False, max_length=200)


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
