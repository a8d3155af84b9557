"""Admin pages of the daily health reports: a list, and one day's page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.dateformat import format as format_date
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from hub.accounts.pages import HubAdmin
from hub.connections.models import Integration
from hub.delivery.models import State
from hub.lib.html import badge
from hub.metrics.models import HealthReport

#: Of these integrations the page says no more than that nothing happened.
QUIET = ("succeeded", "attempts", "webhooks_accepted", "webhooks_refused", "bad", "advice")


@admin.register(HealthReport)
class HealthReportAdmin(HubAdmin):
    """What went well on a day, what failed, and what to do."""

    read_only = True
    paginator = InfinitePaginator
    list_display = ("shown_day", "shown_state", "summary")
    list_display_links = ("shown_day",)
    list_select_related = ("organization",)
    ordering = ("-day", "organization__name")
    sortable_by = ()
    page_template = "metrics/report.html"
    list_before_template = "metrics/list_before.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("organization")

    def page_context(self, request: HttpRequest, row: HealthReport) -> dict[str, Any]:
        entries = row.figures.get("integrations", [])
        known = Integration.objects.filter(organization=row.organization).values_list("pk", flat=True)
        here = {str(pk) for pk in known}
        lines = [_line(entry, entry["integration"] in here) for entry in entries]
        return {
            "title": f"Report of {format_date(row.day, 'l j F Y')}",
            "needy": [line for line in lines if line["entry"]["advice"]],
            "fine": [line for line in lines if not line["entry"]["advice"] and not line["quiet"]],
            "quiet": [line for line in lines if line["quiet"]],
        }

    @display(description="Day")
    def shown_day(self, report: HealthReport) -> str:
        return format_date(report.day, "D j M Y")

    @display(description="State")
    def shown_state(self, report: HealthReport) -> SafeString:
        if report.needs_attention:
            return badge(f"{report.needs_attention} to look at", "warn")
        return badge("All well", "good")


def _line(entry: dict[str, Any], here: bool) -> dict[str, Any]:
    """Return one integration as the page shows it; a deleted one has no page to lead to."""
    url = reverse("admin:connections_integration_change", args=[entry["integration"]]) if here else ""
    failed = f"{reverse('admin:delivery_queueitem_changelist')}?integration={entry['integration']}"
    return {
        "entry": entry,
        "url": url,
        "failed_url": f"{failed}&state__exact={State.FAILED}",
        "quiet": not any(entry[name] for name in QUIET),
    }
