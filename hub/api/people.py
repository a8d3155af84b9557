"""People who use the API: a member's role in one organization, named in every call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, ValidationError

from hub.accounts.access import organizations_for, role_in
from hub.accounts.models import Organization, Role, Scope
from hub.identity import factors
from hub.identity.tokens import TokenError, person_of

#: What operators may do beyond reading; what is not named here is for admins.
OPERATORS = {"events:write", "integrations:test", "queue:operate", "sync:run", "alerts:write"}


@dataclass(frozen=True, slots=True)
class Person:
    """A member who calls; stands where an API key stands: ``request.auth``, and ``request.user``."""

    user: Any
    organization: Organization
    role: Role

    @property
    def is_authenticated(self) -> bool:
        """A person is only made of a valid token."""
        return True

    @property
    def pk(self) -> str:
        """What calls are counted by: never the same as a key's row."""
        return f"user-{self.user.pk}"

    @property
    def scopes(self) -> list[str]:
        """What the role may do, in the words of API keys."""
        return scopes_of(self.role)

    def allows(self, scope: str) -> bool:
        """Whether the role covers ``scope``."""
        return self.role.covers(role_for(scope))

    def lacks(self, scope: str) -> str:
        """Return the sentence for a scope that the role does not cover."""
        needed = role_for(scope).value
        return f"This needs the role {needed} ({scope}); yours in {self.organization} is {self.role.value}."


def role_for(scope: str) -> Role:
    """Return the lowest role that may use ``scope``: viewers read, operators operate, admins do the rest."""
    if scope.endswith(":read"):
        return Role.VIEWER
    return Role.OPERATOR if scope in OPERATORS else Role.ADMIN


def scopes_of(role: Role) -> list[str]:
    """Return the scopes that a role covers."""
    return [scope for scope in Scope.values if role.covers(role_for(scope))]


def sent_person(meta: Mapping[str, Any], token: str) -> Person:
    """Return who calls, in the organization that the call names.

    Raise AuthenticationFailed for a bad token, ValidationError where no organization is named, and
    PermissionDenied for a stranger or somebody without the second factor that it asks for.
    """
    try:
        user = person_of(token)
    except TokenError as error:
        raise AuthenticationFailed(str(error)) from None
    named = str(meta.get("HTTP_X_ORGANIZATION", "")).strip()
    mine = organizations_for(user)
    if not named:
        known = ", ".join(mine.order_by("slug").values_list("slug", flat=True)[:10])
        raise ValidationError(
            {"X-Organization": [f"Send the header X-Organization: one of {known or '(none)'}."]}
        )
    organization = mine.filter(slug=named).first()
    role = role_in(user, organization)
    if organization is None or role is None:
        raise PermissionDenied(f"You do not belong to an organization {named!r}.")
    _demand_factor(user, organization)
    return Person(user, organization, role)


def _demand_factor(user: AbstractBaseUser, organization: Organization) -> None:
    if organization.requires_two_factors and not factors.has_second_factor(user):
        raise PermissionDenied(
            f"{organization} asks its members for a second factor. Set one up at {settings.HUB.url}/account/."
        )
