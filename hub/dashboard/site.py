"""The admin site: who may enter, and the pages that belong to no single slice."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from hub.accounts.access import may_enter
from hub.dashboard import home, keys, mapping_preview, mapping_send, organizations
from hub.identity import factors, unlocking, views

#: Apps whose rows the hub or its libraries keep: what is changed by hand would be written over, or be no
#: longer true. People tend their own sign-in under “Sign-in & security”.
HIDDEN = ("account", "axes", "django_celery_beat", "mfa", "socialaccount")


class HubAdminSite(UnfoldAdminSite):
    """Unfold's site, open to the members of organizations."""

    index_template = "dashboard/home.html"
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leave out tables that nobody tends by hand."""
        models = model_or_iterable if isinstance(model_or_iterable, list | tuple) else [model_or_iterable]
        shown = [model for model in models if model._meta.app_label not in HIDDEN]
        super().register(shown, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the user may open the admin at all; each page checks roles by itself."""
        return may_enter(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The hub's own sign-in: password, passkey, identity providers, second factor."""
        request.current_app = self.name
        answer: HttpResponse = views.sign_in(request)
        return answer

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Lead somebody without a second factor to setting one up, where an organization asks for it."""
        inner = super().admin_view(view, cacheable)

        def checked(request: HttpRequest, *args: Any, **options: Any) -> Any:
            name = request.resolver_match.url_name if request.resolver_match else ""
            demanding = None if name in ("login", "logout") else factors.demanded_by(request.user)
            if demanding is not None:
                text = f"{demanding} asks its members for a second factor. Add one to go on."
                messages.warning(request, text)
                return HttpResponseRedirect(reverse("mfa_index"))
            return inner(request, *args, **options)

        return update_wrapper(checked, inner)

    def signed_in(self, request: HttpRequest) -> HttpResponse:
        """Nothing; who is not signed in is led to the sign-in. Pages ask before a form leaves."""
        return HttpResponse(status=204)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """No list of all tables: Django asks for every permission twice a page, and the menu is our own."""
        return []

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list of an app's tables says nothing that the menu does not say better."""
        return HttpResponseRedirect(reverse("admin:index"))

    def extra_urls(self) -> list[URLPattern]:
        """Pages that need several slices."""
        return [
            path("signed-in/", self.admin_view(self.signed_in), name="signed_in"),
            path("home/live/", self.admin_view(home.live), name="home_live"),
            path("lockouts/", self.admin_view(unlocking.show), name="lockouts"),
            path("home/health/", self.admin_view(home.further), name="home_health"),
            path("keys/", self.admin_view(keys.show), name="encryption_keys"),
            path("organization/show/", self.admin_view(organizations.show), name="organization_show"),
            path("mapping/preview/", self.admin_view(mapping_preview.show), name="mapping_preview"),
            path(
                "mapping/preview/sources/", self.admin_view(mapping_preview.sources), name="mapping_sources"
            ),
            path("mapping/send/", self.admin_view(mapping_send.send), name="mapping_send"),
            path("mapping/sent/", self.admin_view(mapping_send.sent), name="mapping_sent"),
        ]
