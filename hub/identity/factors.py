"""Second factors: who has one, and who must."""

from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model

from hub.accounts.access import User, organizations_for
from hub.accounts.models import Organization


def has_second_factor(user: User) -> bool:
    """Whether the user signs in with more than a password."""
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    return Authenticator.objects.filter(user_id=user.pk, type__in=kinds).exists()


def demanded_by(user: User) -> Organization | None:
    """Return an organization of the user's that asks for two factors where the user has none, else None."""
    found = organizations_for(user).filter(requires_two_factors=True).first()
    return found if found is not None and not has_second_factor(user) else None


def without_factor(organization: Organization) -> int:
    """How many members of ``organization`` have no second factor."""
    kinds = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    with_one = Authenticator.objects.filter(type__in=kinds).values("user")
    users = get_user_model()._default_manager.filter(memberships__organization=organization, is_active=True)
    return users.exclude(pk__in=with_one).count()


def reset(user: User) -> int:
    """Take away all second factors of somebody who lost them; return how many."""
    return sum(1 for each in Authenticator.objects.filter(user_id=user.pk) if each.delete())
