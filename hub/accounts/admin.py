"""Admin pages of the people: organizations, members, API keys and (superusers only) users."""

import secrets
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from hub.accounts.access import has_role, organizations_for
from hub.accounts.forms import APIKeyForm, MemberForm
from hub.accounts.models import APIKey, Membership, Organization, Role, Scope
from hub.accounts.pages import Deed, HubAdmin, Told
from hub.accounts.quotas import standings
from hub.accounts.retention import Kept
from hub.lib.html import badge, moment, state_badge

QUOTAS = ("events_per_day", "events_per_month", "deliveries_per_second")

admin.site.unregister(Group)
admin.site.unregister(User)


@admin.register(Organization)
class OrganizationAdmin(HubAdmin):
    """A tenant: its own members see it, its admins rename it, superusers make new ones."""

    list_display = ("name", "slug", "members", "shown_created")
    search_help_text = "Name or short name"
    page_template = "accounts/organization.html"
    search_fields = ("name", "slug")
    fieldsets = (
        (None, {"fields": ("name", "slug", "requires_two_factors")}),
        ("How long things are kept", {"fields": tuple(kind.value for kind in Kept)}),
        ("Quotas (set by superusers)", {"fields": QUOTAS}),
    )
    prepopulated_fields = {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        return organizations_for(request.user).annotate(member_count=Count("memberships", distinct=True))

    def organization_of(self, row: Any) -> Organization:
        return row

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Whoever has several organizations needs no column that says which one it is of."""
        return self.list_display

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # A quota is what the hub grants a tenant, not what the tenant grants itself.
        return () if getattr(request.user, "is_superuser", False) else QUOTAS

    def page_context(self, request: HttpRequest, row: Organization) -> dict[str, Any]:
        return {
            "memberships": row.memberships.select_related("user").order_by("user__username"),
            "edit_url": self.url("edit", row.pk),
            "retention": [_kept(row, kind) for kind in Kept],
            "standings": standings(row, timezone.now()),
        }

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self.message_user(request, f"{obj} is saved.")
        return HttpResponseRedirect(self.url("change", obj.pk))

    @display(description="Members")
    def members(self, row: Any) -> int:
        return row.member_count

    @display(description="Since", ordering="created_at")
    def shown_created(self, row: Organization) -> SafeString:
        return moment(row.created_at)


@admin.register(Membership)
class MembershipAdmin(HubAdmin):
    """Who belongs to an organization, and what they may do."""

    list_display = ("shown_user", "shown_role", "organization", "shown_created")
    page_template = "accounts/member.html"
    list_select_related = ("user", "organization")
    search_fields = ("user__username", "user__first_name", "user__last_name", "user__email")
    search_help_text = "Name or e-mail"
    list_filter = (("role", ChoicesDropdownFilter),)
    list_before_template = "accounts/members_before.html"
    add_words = "Add a member"
    empty_words = (
        "Nobody belongs to this organization yet. Invite somebody (above): the link makes their account."
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"may_invite": has_role(request, Role.ADMIN)}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = MemberForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("shown_user", "organization", "role") if obj else ("organization", "person", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("shown_user", "organization") if obj else ()

    def get_list_display(self, request: HttpRequest) -> list[str] | tuple[str, ...]:
        return self.list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Admins invite; who runs the whole hub may also make accounts."""
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and last_admin(obj))

    def page_context(self, request: HttpRequest, row: Membership) -> dict[str, Any]:
        kept = last_admin(row)
        return {
            "edit_url": self.url("edit", row.pk),
            "remove_url": "" if kept else self.url("delete", row.pk),
            "kept": kept,
        }

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self.message_user(request, f"{obj.user} is {obj.role} now.")
        return HttpResponseRedirect(self.url("change", obj.pk))

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        if change and obj.role != Role.ADMIN and last_admin(Membership.objects.get(pk=obj.pk)):
            obj.role = Role.ADMIN
            self.message_user(
                request, "An organization needs an admin: make somebody else one first.", messages.ERROR
            )
            return
        if not change:
            obj.user = form.account or self._new_account(request, form.cleaned_data["person"].strip())
        super().save_model(request, obj, form, change)

    def _new_account(self, request: HttpRequest, name: str) -> Any:
        password = secrets.token_urlsafe(12)
        email = name if "@" in name else ""
        account = get_user_model()._default_manager.create_user(name, email=email, password=password)
        text = f"An account was made for {name}. First password, shown only now: {password}"
        self.message_user(request, text, messages.WARNING)
        return account

    @display(description="Member", ordering="user__username")
    def shown_user(self, row: Membership) -> SafeString:
        name, email = told_apart(row.user)
        if not email:
            return format_html("{}", name)
        return format_html('{}<br><span class="ic-dim ic-small">{}</span>', name, email)

    @display(description="Role", ordering="role")
    def shown_role(self, row: Membership) -> SafeString:
        return badge(row.role.capitalize(), "info" if row.role == Role.ADMIN else "mute", "shield_person")

    @display(description="Since", ordering="created_at")
    def shown_created(self, row: Membership) -> SafeString:
        return moment(row.created_at)


@admin.register(APIKey)
class APIKeyAdmin(HubAdmin):
    """Keys of applications: made here, shown once, revoked here; the key itself never changes."""

    form = APIKeyForm
    empty_words = "An API key lets one of your applications send events to the hub."
    list_display = ("name", "shown_key", "shown_scopes", "shown_state", "shown_used")
    search_fields = ("name", "prefix")
    search_help_text = "Name, or what the key begins with after ick_"
    page_template = "accounts/key.html"
    deeds = (
        Deed(
            "revoke",
            "Revoke",
            "block",
            Role.ADMIN,
            when=lambda key: key.revoked_at is None,
            confirm="Revoke this key? Applications that use it are refused from now on.",
            tone="danger",
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, {"title": "New API key", **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: APIKey, form: Any, change: bool) -> None:
        """Issue the key; ``response_add`` shows it, nobody can later."""
        data = form.cleaned_data
        if change:
            obj.save()
            return
        made, key_text = APIKey.issue(
            data["organization"],
            data["name"],
            data["scopes"],
            expires_at=data["expires_at"],
            allowed_networks=data["allowed_networks"] or None,
            created_by=request.user,
        )
        obj.pk, obj.prefix, obj.digest = made.pk, made.prefix, made.digest
        # Kept on the row for this answer only: it is no column.
        obj.__dict__["key_text"] = key_text

    def response_add(
        self, request: HttpRequest, obj: APIKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the new key on the answer itself, so that it is written down nowhere."""
        response = self.render(
            request,
            self.page_template,
            APIKey.objects.get(pk=obj.pk),
            key_text=obj.__dict__["key_text"],
            scopes=_scopes(obj),
        )
        response["Cache-Control"] = "no-store"
        return response

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = ("name", "scopes", "expires_at", "allowed_networks")
        return fields if obj else ("organization", *fields)

    def page_context(self, request: HttpRequest, row: APIKey) -> dict[str, Any]:
        return {"scopes": _scopes(row), "edit_url": "" if row.revoked_at else self.url("edit", row.pk)}

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self.message_user(request, f"{obj.name} is saved.")
        return HttpResponseRedirect(self.url("change", obj.pk))

    def do_revoke(self, request: HttpRequest, key: APIKey) -> Told:
        """Make the key useless."""
        key.revoke()
        return Told(f"{key.name} is revoked.", url=self.url("changelist"))

    @display(description="Key")
    def shown_key(self, key: APIKey) -> str:
        return f"ick_{key.prefix}_…"

    @display(description="May")
    def shown_scopes(self, key: APIKey) -> str:
        return ", ".join(label.lower() for label in _scopes(key)) or "nothing"

    @display(description="State")
    def shown_state(self, key: APIKey) -> SafeString:
        return state_badge(key_state(key))

    @display(description="Last used", ordering="last_used_at")
    def shown_used(self, key: APIKey) -> SafeString:
        return moment(key.last_used_at, empty="never")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """Accounts of the whole hub: superusers only."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_superuser")}),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes the account they work with."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.pk != request.user.pk)


def _kept(row: Organization, kind: Kept) -> tuple[str, str]:
    """Return what is kept and for how long, in words."""
    what = kind.value.removeprefix("keep_").capitalize()
    if days := getattr(row, kind.value):
        return what, f"{days} days"
    if kind == Kept.CONTENTS:
        return what, "as long as what holds them"
    return what, f"{settings.HUB.retention_days} days, as everywhere in this hub"


def told_apart(user: Any) -> tuple[str, str]:
    """Return a person's name, and their e-mail where that says more than the name does."""
    name, email = user.get_full_name() or user.get_username(), user.email or ""
    if email.lower() == name.lower():
        return email, ""
    # An account that was named by the beginning of its e-mail.
    return (email, "") if email.lower().startswith(f"{name.lower()}@") else (name, email)


def last_admin(member: Membership) -> bool:
    """Whether nobody else is admin of the member's organization."""
    others = Membership.objects.filter(organization_id=member.organization_id, role=Role.ADMIN)
    return member.role == Role.ADMIN and not others.exclude(pk=member.pk).exists()


def key_state(key: APIKey) -> str:
    """Return active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "active"


def _scopes(key: APIKey) -> list[str]:
    words = dict(Scope.choices)
    return [str(words.get(scope, scope)) for scope in key.scopes]
