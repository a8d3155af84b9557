"""Who may see and do what: roles per organization, enforced on every admin page."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from hub.accounts.models import Membership, Organization, Role

User = AbstractBaseUser | AnonymousUser

#: The session's entry for the organization that somebody looks at; none: all of them.
CHOSEN = "organization"
#: Where a request keeps what ``roles_of`` found.
_ROLES = "_roles_by_organization"


def role_in(user: User, organization: Organization | None) -> Role | None:
    """Return the user's role there; a superuser is admin everywhere; None for a stranger."""
    if not user.is_authenticated or not getattr(user, "is_active", False):
        return None
    if getattr(user, "is_superuser", False):
        return Role.ADMIN
    if organization is None:
        return None
    found = Membership.objects.filter(user_id=user.pk, organization=organization).first()
    return Role(found.role) if found else None


def organizations_for(user: User, needed: Role = Role.VIEWER) -> QuerySet[Organization]:
    """Return the organizations in which the user has at least ``needed``."""
    if not user.is_authenticated:
        return Organization.objects.none()
    if getattr(user, "is_superuser", False):
        return Organization.objects.all()
    roles = [role for role in Role if role.covers(needed)]
    return Organization.objects.filter(memberships__user_id=user.pk, memberships__role__in=roles)


def shown_organizations(request: HttpRequest) -> QuerySet[Organization]:
    """Return the organizations that lists and the home page show: the chosen one, else all of the user's."""
    mine = organizations_for(request.user)
    chosen = request.session.get(CHOSEN) if hasattr(request, "session") else None
    return mine.filter(pk=chosen) if chosen and mine.filter(pk=chosen).exists() else mine


def roles_of(request: HttpRequest) -> dict[int, Role]:
    """Return the user's role by organization id, read once per request: a page asks a hundred times."""
    kept: dict[int, Role] | None = getattr(request, _ROLES, None)
    if kept is None:
        kept = _roles(request.user)
        setattr(request, _ROLES, kept)
    return kept


def has_role(request: HttpRequest, needed: Role = Role.VIEWER) -> bool:
    """Whether the user has at least ``needed`` in any organization."""
    return any(role.covers(needed) for role in roles_of(request).values())


def _roles(user: User) -> dict[int, Role]:
    if not user.is_authenticated or not getattr(user, "is_active", False):
        return {}
    if getattr(user, "is_superuser", False):
        return dict.fromkeys(Organization.objects.values_list("pk", flat=True), Role.ADMIN)
    rows = Membership.objects.filter(user_id=user.pk).values_list("organization_id", "role")
    return {organization: Role(role) for organization, role in rows}


def may(user: User, organization: Organization | None, needed: Role) -> bool:
    """Whether the user has at least ``needed`` in ``organization``."""
    role = role_in(user, organization)
    return role is not None and role.covers(needed)


def may_enter(user: User) -> bool:
    """Whether the user may open the admin at all: active members of any organization, and superusers."""
    return bool(getattr(user, "is_active", False)) and (
        getattr(user, "is_superuser", False) or organizations_for(user).exists()
    )


def listed(model: type[Model]) -> QuerySet[Any]:
    """Return the rows that lists and choices offer: all, unless the model's manager has ``listed``."""
    manager: Any = model._default_manager
    rows: QuerySet[Any] = manager.listed() if hasattr(manager, "listed") else manager.all()
    return rows


class OrganizationScoped:
    """Mixin for a ModelAdmin: members see their organizations' rows and act by their role.

    ``organization_path`` leads from the model to the organization; ``change_role`` is needed to
    add, change or delete.
    """

    organization_path = "organization"
    change_role = Role.ADMIN

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)  # type: ignore[misc]
        return rows.filter(**{f"{self.organization_path}__in": organizations_for(request.user)})

    def organization_of(self, row: Model) -> Organization:
        """Follow ``organization_path`` from ``row``."""
        found: Any = row
        for part in self.organization_path.split("__"):
            found = getattr(found, part)
        return found

    def has_module_permission(self, request: HttpRequest) -> bool:
        return has_role(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allowed(request, obj, Role.VIEWER)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._allowed(request, None, self.change_role)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allowed(request, obj, self.change_role)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allowed(request, obj, self.change_role)

    def has_operate_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """For actions declared with ``permissions=["operate"]``."""
        return self._allowed(request, obj, Role.OPERATOR)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only rows of organizations that the user may change."""
        model = db_field.related_model
        mine = organizations_for(request.user, self.change_role)
        if model is Organization:
            kwargs["queryset"] = mine
        elif any(field.name == "organization" for field in model._meta.get_fields()):
            kwargs["queryset"] = listed(model).filter(organization__in=mine)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def _allowed(self, request: HttpRequest, obj: Model | None, needed: Role) -> bool:
        if obj is not None and obj.pk:
            role = roles_of(request).get(self.organization_of(obj).pk)
            return role is not None and role.covers(needed)
        return has_role(request, needed)
