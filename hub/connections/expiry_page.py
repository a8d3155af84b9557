"""The calendar of credentials that end: which, when, who says so, and where an admin enters it."""

import calendar
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from hub.accounts.access import organizations_for, shown_organizations
from hub.accounts.models import Organization, Role
from hub.accounts.pages import HubAdmin
from hub.connections.expiry import WARN_DAYS, Expiry, enter_expiry, expiries
from hub.connections.models import Integration

#: Months that are drawn, from the present one on.
MONTHS = 6
WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


class DayForm(forms.Form):
    """The last day of a credential; empty: nothing is known."""

    day = forms.DateField(required=False)


def show(site: HubAdmin, request: HttpRequest) -> HttpResponse:
    """The months to come with the days on which something ends; below, every integration."""
    mine = shown_organizations(request)
    known = {end.integration.pk: end for end in expiries(mine)}
    rows = Integration.objects.listed().filter(organization__in=mine).select_related("organization")
    admin_of = set(organizations_for(request.user, Role.ADMIN).values_list("pk", flat=True))
    lines = [_line(row, known.get(row.pk), row.organization_id in admin_of) for row in rows]
    order = {pk: place for place, pk in enumerate(known)}
    lines.sort(key=lambda line: order.get(line["integration"].pk, len(order)))
    return site.render(
        request,
        "connections/expiry.html",
        title="When credentials end",
        months=_months(timezone.localdate(), list(known.values())),
        weekdays=WEEKDAYS,
        lines=lines,
    )


def enter(site: HubAdmin, request: HttpRequest, object_id: Any) -> HttpResponse:
    """POST ``day``: keep what an admin knows of the end of one integration's credential."""
    row: Integration = site.row(request, object_id, Role.ADMIN)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    form = DayForm(request.POST)
    if not form.is_valid():
        messages.error(request, "That is no day; write it as 2027-01-31.")
    else:
        day = form.cleaned_data["day"]
        enter_expiry(row, day)
        told = _entered(row, day) if day else f"Nothing that was entered is kept for {row} any more."
        messages.success(request, told)
    return HttpResponseRedirect(reverse("admin:connections_expiry"))


def of(row: Integration) -> Expiry | None:
    """Return when the credential of ``row`` ends, if that is known."""
    organization = Organization.objects.filter(pk=row.organization_id)
    return next((end for end in expiries(organization) if end.integration.pk == row.pk), None)


def _entered(row: Integration, day: date) -> str:
    """Say when the credential ends, and which of the warnings are still to come."""
    left = (day - timezone.localdate()).days
    if left < 0:
        return f"The credential of {row} ended on {day:%-d %B %Y}: renew it, or enter another day."
    steps = [str(step) for step in WARN_DAYS if 0 < step < left]
    days = " and ".join(part for part in (", ".join(steps[:-1]), *steps[-1:]) if part)
    before = f"You are warned {days} day{'' if days == '1' else 's'} before."
    warned = before if days else "The home page says so until it is renewed."
    return f"The credential of {row} ends on {day:%-d %B %Y}. {warned}"


def _line(row: Integration, expiry: Expiry | None, editable: bool) -> dict[str, Any]:
    return {
        "integration": row,
        "expiry": expiry,
        "day": timezone.localtime(expiry.at).date() if expiry else None,
        "editable": editable,
        "entered": expiry is not None and expiry.said_by.startswith("entered"),
    }


def _months(today: date, ends: list[Expiry]) -> list[dict[str, Any]]:
    by_day: dict[date, list[Expiry]] = {}
    for end in ends:
        by_day.setdefault(timezone.localtime(end.at).date(), []).append(end)
    months = []
    for ahead in range(MONTHS):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        weeks = calendar.Calendar().monthdatescalendar(year, month + 1)
        months.append(
            {
                "first": date(year, month + 1, 1),
                "weeks": [[_day(day, month + 1, today, by_day) for day in week] for week in weeks],
            }
        )
    return months


def _day(day: date, month: int, today: date, by_day: dict[date, list[Expiry]]) -> dict[str, Any]:
    inside = day.month == month
    ends = by_day.get(day, []) if inside else []
    tones = {end.tone for end in ends}
    tone = next((tone for tone in ("bad", "warn", "mute") if tone in tones), "")
    names = ", ".join(str(end.integration) for end in ends)
    is_today = inside and day == today
    return {"day": day, "inside": inside, "today": is_today, "ends": ends, "tone": tone, "names": names}
