"""What it means is asked before routes are switched on together, or one that is on is saved."""

from typing import Any
from uuid import UUID

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hub.accounts.pages import HubAdmin
from hub.delivery.enqueue import Target
from hub.events.impact import impact, route_impact
from hub.events.models import Route

#: In what is posted: somebody has seen what it means.
SURE = "_sure"
#: Fields of a route that change what it takes or where that goes.
MOVES = frozenset({"enabled", "type_pattern", "filter", "integration", "action", "organization"})
#: Routes that are looked at one by one; of more, the page says how many are left out.
LOOKED_AT = 10


def ask_before_enabling(site: HubAdmin, request: HttpRequest, rows: QuerySet[Route]) -> HttpResponse:
    """What each of the chosen routes will take, and the button that switches them on."""
    off = list(rows.filter(enabled=False).order_by("name"))
    return site.render(
        request,
        "events/enable_question.html",
        title="Switch on?",
        page_words="Switch on?",
        lines=[{"route": row, "impact": route_impact(row)} for row in off[:LOOKED_AT]],
        left=max(0, len(off) - LOOKED_AT),
        count=len(off),
        chosen=request.POST.getlist(ACTION_CHECKBOX_NAME),
        checkbox=ACTION_CHECKBOX_NAME,
        sure=SURE,
        back_url=site.url("changelist"),
    )


def ask_before_saving(site: HubAdmin, request: HttpRequest, row: Route | None) -> HttpResponse | None:
    """What the posted route will take; None where nothing of that changes, or nothing stored matches.

    What is wrong with the form is left to the form.
    """
    form = site.get_form(request, row, change=row is not None)(request.POST, request.FILES, instance=row)
    if not form.is_valid() or not form.cleaned_data["enabled"] or not MOVES & set(form.changed_data):
        return None
    given = form.cleaned_data
    organization = given.get("organization") or form.instance.organization
    found = impact(organization.pk, given["type_pattern"], given["filter"], _targets(given, request.POST))
    if not found.matching:
        return None
    posted = [(name, value) for name in request.POST for value in request.POST.getlist(name)]
    return site.render(
        request,
        "events/save_question.html",
        title="Save?",
        page_words="Save?",
        name=given["name"],
        impact=found,
        posted=[(name, value) for name, value in posted if name != "csrfmiddlewaretoken"],
        sure=SURE,
    )


def _targets(given: dict[str, Any], posted: Any) -> list[Target]:
    """Return where the form sends events: the integration, then the fallbacks that stay."""
    mapping = given.get("mapping")
    targets = [Target(given["integration"].pk, given["action"], mapping.pk if mapping else None)]
    total = posted.get("fallbacks-TOTAL_FORMS", "")
    for number in range(min(int(total), 50) if total.isdecimal() else 0):
        if posted.get(f"fallbacks-{number}-DELETE"):
            continue
        try:
            integration = UUID(posted.get(f"fallbacks-{number}-integration", ""))
        except ValueError:
            continue
        targets.append(Target(integration, posted.get(f"fallbacks-{number}-action", ""), None))
    return targets
