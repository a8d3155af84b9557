"""The frame of the pages outside the admin's own: the same menu, the same look."""

from functools import partial
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

#: Where the pages of signing in and of one's own account are.
PLACES = ("/account/", "/admin/login/")


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: what the admin's templates need, for pages that no ModelAdmin renders."""
    # A request that is refused before anybody asked who it is from (a foreign host) has no user.
    if not request.path_info.startswith(PLACES) or not hasattr(request, "user"):
        return {}
    return {
        **admin.site.each_context(request),
        # Asked for by the templates that show them.
        "ways_in": partial(ways_in, request),
        "links": partial(links, request),
        "sends_mail": settings.HUB.sends_mail,
    }


def ways_in(request: HttpRequest) -> list[dict[str, str]]:
    """Return the identity providers that the operator set: ``name`` and ``url`` of each."""
    apps = get_adapter().list_apps(request)
    providers = [app.get_provider(request) for app in apps]
    return [
        {"id": each.app.provider, "name": each.name, "url": each.get_login_url(request)} for each in providers
    ]


def links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the identity providers' accounts that are linked to the user's: ``pk``, ``name``, ``who``."""
    rows = SocialAccount.objects.filter(user_id=request.user.pk)
    return [
        {"pk": row.pk, "name": row.get_provider().name, "who": str(row.get_provider_account())}
        for row in rows
    ]


def security_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the entries of the menu behind one's own name."""
    return [{"title": "Sign-in & security", "link": reverse("mfa_index")}]
