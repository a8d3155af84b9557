"""Looking at one of several organizations: the choice at the head of the menu."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from hub.accounts.access import CHOSEN, organizations_for, shown_organizations

#: More organizations than these are found by the list of organizations.
OFFERED = 30


def shown_name(request: HttpRequest) -> str:
    """Return the line under the site's name: whose rows are shown."""
    if not request.user.is_authenticated:
        return "Integration hub"
    names = list(shown_organizations(request).order_by("name").values_list("name", flat=True)[:2])
    return names[0] if len(names) == 1 else "All organizations" if names else "Integration hub"


def choices(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the entries of the choice; none where there is nothing to choose."""
    mine = list(organizations_for(request.user).order_by("name")[:OFFERED])
    if len(mine) < 2:
        return []
    everything = {"title": "All organizations", "icon": "select_all", "link": _link("")}
    return [everything, *({"title": one.name, "icon": "domain", "link": _link(str(one.pk))} for one in mine)]


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Keep which organization somebody wants to see, and go home. It opens nothing that was closed."""
    chosen = request.GET.get("organization", "")
    mine = organizations_for(request.user)
    if chosen.isdecimal() and mine.filter(pk=chosen).exists():
        request.session[CHOSEN] = int(chosen)
    else:
        request.session.pop(CHOSEN, None)
    return HttpResponseRedirect(reverse("admin:index"))


def _link(chosen: str) -> str:
    return f"{reverse('admin:organization_show')}?{urlencode({'organization': chosen})}"
