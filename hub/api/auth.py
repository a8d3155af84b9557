"""Signing in by the API: people get tokens for their name and password, or for what a provider vouches."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from hub.accounts.access import organizations_for, role_in
from hub.api import schemas
from hub.api.auth_forms import (
    CHALLENGED,
    EITHER,
    EXAMPLES,
    REFRESH,
    SIGNED_IN,
    TOKENS,
    Body,
    FacebookBody,
    GoogleBody,
    LoginBody,
    RefreshBody,
    RegisterBody,
)
from hub.api.bodies import held_against, read_object, require_json
from hub.api.people import scopes_of
from hub.api.problems import FieldProblem
from hub.audit.actors import Actor, acting
from hub.identity import invitations, signing_in, tokens
from hub.identity.forms import check_password
from hub.lib.inbound import client_address, source_group
from hub.lib.throttle import take

#: Calls to sign in, from one address in a minute.
MOST_TRIES = 30


class Refused(APIException):
    """Nobody was signed in."""

    def __init__(self, message: str, status: int, wait: int = 0):
        self.status_code, self.wait = status, wait
        super().__init__(message)


class AddressThrottle(BaseThrottle):
    """So many calls a minute per address."""

    _wait = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the call; whether it may go on."""
        self._wait = take("api-sign-in", MOST_TRIES, source_group(client_address(request._request)))
        return not self._wait

    def wait(self) -> float:
        """Seconds until the next call is taken."""
        return self._wait


class SignInView(APIView, ABC):
    """Base of the views that nobody needs a token for."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (AddressThrottle,)
    http_method_names = ("post",)
    body: type[Body] = RefreshBody

    def post(self, request: Request) -> Response:
        """Read the body, then do what the view is for."""
        require_json(request)
        form = held_against(self.body, read_object(request.body))
        address = client_address(request._request)
        with acting(lambda: Actor("Somebody not signed in", address=address)):
            return self._told(lambda: self.answer(request._request, form))

    @abstractmethod
    def answer(self, request: HttpRequest, given: Any) -> Response:
        """Return the answer to a body, ``given`` in its form."""

    def _told(self, run: Callable[[], Response]) -> Response:
        try:
            return run()
        except signing_in.SignInError as error:
            raise Refused(str(error), error.status, error.wait) from None
        except tokens.TokenError as error:
            raise Refused(str(error), 401) from None
        except invitations.InvitationError as error:
            raise Refused(str(error), 410) from None


def _described(form: type[Body], success: dict[Any, Any], *problems: int, **said: Any) -> Any:
    """Return what describes the one operation of a view."""
    return extend_schema_view(
        post=extend_schema(
            request={schemas.JSON: form},
            responses=schemas.answers(success, 400, 413, 415, *problems),
            auth=[],
            tags=["People"],
            **said,
        )
    )


@_described(
    LoginBody,
    {200: EITHER},
    operation_id="login",
    summary="Sign in with name and password, and a second factor where there is one",
    description="Where the account has a second factor, the first answer is a challenge (`state`: "
    "`second_factor`); send it back with the code. Send the access token with every call, together "
    "with the header `X-Organization`.",
    examples=[
        OpenApiExample(
            "First", {"username": "ann@example.com", "password": "correct horse"}, request_only=True
        ),
        OpenApiExample("Then", {"challenge": CHALLENGED["challenge"], "code": "123456"}, request_only=True),
        *EXAMPLES,
    ],
)
class LoginView(SignInView):
    """``/api/auth/login``."""

    body = LoginBody

    def answer(self, request: HttpRequest, given: Any) -> Response:
        """Return tokens, or a challenge."""
        first, second = (given.username, given.password), (given.challenge, given.code)
        if all(first) and not any(second):
            user = signing_in.by_password(request, *first)
            return _challenged(user) or _signed_in(request, user)
        if all(second) and not any(first):
            return _signed_in(request, signing_in.by_code(request, *second))
        raise FieldProblem([("", "Send username and password, or challenge and code.")])


@_described(
    RegisterBody,
    {201: TOKENS},
    410,
    operation_id="register",
    summary="Make the account of somebody who is invited",
    description="By invitation only. Somebody with an account opens the link in a browser instead.",
    examples=[
        OpenApiExample(
            "Ann",
            {"invitation": "T3sKq…", "name": "Ann Ondaatje", "password": "correct horse battery"},
            request_only=True,
        ),
        OpenApiExample("Signed in", SIGNED_IN, response_only=True, status_codes=["201"]),
    ],
)
class RegisterView(SignInView):
    """``/api/auth/register``."""

    body = RegisterBody

    def answer(self, request: HttpRequest, given: Any) -> Response:
        """Make the account, join, sign in."""
        found = invitations.find(given.invitation.rstrip("/").rpartition("/")[2])
        try:
            check_password(given.password, found, given.name)
        except ValidationError as error:
            raise FieldProblem([("password", " ".join(error.messages))]) from None
        user = invitations.register(found, given.name, given.password)
        return _signed_in(request, user, status=201)


@_described(
    RefreshBody,
    {200: TOKENS},
    operation_id="refresh",
    summary="Exchange a refresh token for new tokens",
    description="Each refresh token is good once. One that comes a second time was copied: it ends "
    "everything that came of its sign-in.",
    examples=[REFRESH, OpenApiExample("Signed in", SIGNED_IN, response_only=True, status_codes=["200"])],
)
class RefreshView(SignInView):
    """``/api/auth/refresh``."""

    def answer(self, request: HttpRequest, given: Any) -> Response:
        """Return the next tokens."""
        return Response(_facts(tokens.refresh(given.refresh_token)))


@_described(
    RefreshBody,
    {204: None},
    operation_id="logout",
    summary="End a sign-in: all its tokens are refused from now on",
    examples=[REFRESH],
)
class LogoutView(SignInView):
    """``/api/auth/logout``."""

    def answer(self, request: HttpRequest, given: Any) -> Response:
        """End the family."""
        tokens.end(given.refresh_token)
        return Response(status=204)


class SocialView(SignInView):
    """Base of the views for what an identity provider vouches."""

    provider = ""

    def answer(self, request: HttpRequest, given: Any) -> Response:
        """Return tokens, or a challenge where the account has a second factor here."""
        token = given.model_dump(exclude={"invitation"})
        user = signing_in.by_provider(request, self.provider, token, given.invitation)
        return _challenged(user) or _signed_in(request, user)


def _social(form: type[Body], token: dict[str, str], **said: Any) -> Any:
    examples = [OpenApiExample("A token", token, request_only=True), *EXAMPLES]
    return _described(form, {200: EITHER}, 404, 409, 410, examples=examples, **said)


@_social(
    GoogleBody,
    {"id_token": "eyJhbGciOiJSUzI1NiJ9…"},
    operation_id="loginWithGoogle",
    summary="Sign in with an ID token of Google's",
    description="For accounts that are linked, that have the same verified address, or that are "
    "invited under it (send `invitation`).",
)
class GoogleView(SocialView):
    """``/api/auth/social/google``."""

    provider, body = "google", GoogleBody


@_social(
    FacebookBody,
    {"access_token": "EAABwzLix…"},
    operation_id="loginWithFacebook",
    summary="Sign in with an access token of Facebook's",
    description="For accounts that were linked in the browser: Facebook does not say whether it "
    "verified an address, so none is trusted.",
)
class FacebookView(SocialView):
    """``/api/auth/social/facebook``."""

    provider, body = "facebook", FacebookBody


def _challenged(user: Any) -> Response | None:
    text = signing_in.challenge(user)
    if not text:
        return None
    return Response({"state": "second_factor", "challenge": text, "factors": signing_in.kinds(user)})


def _signed_in(request: HttpRequest, user: Any, status: int = 200) -> Response:
    signing_in.noted(request, user)
    return Response(_facts(tokens.begin(user, client_address(request))), status=status)


def _facts(given: tokens.Tokens) -> dict[str, Any]:
    user = given.user
    return {
        "state": "signed_in",
        "access_token": given.access,
        "token_type": "Bearer",
        "expires_in": given.expires_in,
        "refresh_token": given.refresh,
        "user": {"username": user.get_username(), "name": user.get_full_name(), "email": user.email},
        "organizations": [_organization(user, one) for one in organizations_for(user).order_by("slug")[:200]],
    }


def _organization(user: Any, organization: Any) -> dict[str, Any]:
    role = role_in(user, organization)
    return {
        "slug": organization.slug,
        "name": organization.name,
        "role": role.value if role else "",
        "scopes": scopes_of(role) if role else [],
    }
