"""The admin site: who may enter, and the pages that belong to no single slice."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from hub.accounts.access import User, organizations_for
from hub.dashboard import home, keys, mapping_preview, organizations

#: Apps whose rows the hub itself keeps: a schedule changed by hand would be written over.
HIDDEN = ("django_celery_beat",)


def may_enter(user: User) -> bool:
    """Active members of any organization, and superusers."""
    return bool(getattr(user, "is_active", False)) and (
        getattr(user, "is_superuser", False) or organizations_for(user).exists()
    )


class LoginForm(AuthenticationForm):
    """Lets members in; Django's own form wants ``is_staff``."""

    def confirm_login_allowed(self, user: Any) -> None:
        """Raise ValidationError for somebody who belongs to no organization."""
        if not may_enter(user):
            raise ValidationError(
                "This account belongs to no organization. Ask an admin of yours to add you.",
                code="no_organization",
            )


class HubAdminSite(UnfoldAdminSite):
    """Unfold's site, open to the members of organizations."""

    index_template = "dashboard/home.html"
    login_form = LoginForm
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leave out tables that nobody tends by hand."""
        models = model_or_iterable if isinstance(model_or_iterable, list | tuple) else [model_or_iterable]
        shown = [model for model in models if model._meta.app_label not in HIDDEN]
        super().register(shown, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the user may open the admin at all; each page checks roles by itself."""
        return may_enter(request.user)

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list of an app's tables says nothing that the menu does not say better."""
        return HttpResponseRedirect(reverse("admin:index"))

    def extra_urls(self) -> list[URLPattern]:
        """Pages that need several slices."""
        return [
            path("home/live/", self.admin_view(home.live), name="home_live"),
            path("keys/", self.admin_view(keys.show), name="encryption_keys"),
            path("organization/show/", self.admin_view(organizations.show), name="organization_show"),
            path("mapping/preview/", self.admin_view(mapping_preview.show), name="mapping_preview"),
            path(
                "mapping/preview/sources/", self.admin_view(mapping_preview.sources), name="mapping_sources"
            ),
        ]
