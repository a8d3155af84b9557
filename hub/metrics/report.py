"""The daily health report: one per organization and day, written when the day is over."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from hub.accounts.models import Organization
from hub.lib.sentences import plural
from hub.metrics.findings import Finding, as_json, findings
from hub.metrics.models import HealthReport
from hub.metrics.rollup import roll_up


def write_missing() -> int:
    """Write the report on yesterday for every organization that has none; return how many were written."""
    day = timezone.localdate() - timedelta(days=1)
    missing = Organization.objects.filter(created_at__lt=bounds(day)[1]).exclude(
        pk__in=HealthReport.objects.filter(day=day).values("organization")
    )
    rows = list(missing.order_by("pk"))
    if rows:
        roll_up()
    return sum(write(organization, day) is not None for organization in rows)


def write(organization: Organization, day: date) -> HealthReport | None:
    """Write the report of one organization on one day; None where somebody else just did."""
    found = findings(organization, *bounds(day))
    summary = _summary(found)
    with transaction.atomic():
        report, made = HealthReport.objects.get_or_create(
            organization=organization,
            day=day,
            defaults={
                "summary": summary,
                "needs_attention": sum(bool(finding.advice) for finding in found),
                "figures": {"integrations": [as_json(finding) for finding in found]},
                "text": _text(organization, day, summary, found),
            },
        )
    return report if made else None


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return the first moment of a day in the hub's time zone, and that of the next."""
    zone = timezone.get_default_timezone()
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def page_url(report: HealthReport) -> str:
    """Return the address of a report's page, for mails."""
    return settings.HUB.url + reverse("admin:metrics_healthreport_change", args=[report.pk])


def _summary(found: Sequence[Finding]) -> str:
    succeeded = sum(finding.succeeded for finding in found)
    failed = sum(finding.failed_items for finding in found)
    needy = sum(bool(finding.advice) for finding in found)
    if not found:
        return "No integration is connected yet."
    went = (
        f"{plural(succeeded, 'delivery', 'deliveries')} went through"
        if succeeded
        else "Nothing was delivered"
    )
    lost = f"{failed:,} failed for good" if failed else "none failed for good"
    need = f"{plural(needy, 'integration needs', 'integrations need')} somebody" if needy else "All is well"
    return f"{went}, {lost}. {need}." if succeeded or failed else f"{went}. {need}."


def _text(organization: Organization, day: date, summary: str, found: Sequence[Finding]) -> str:
    parts = [f"{organization.name}, {day:%A} {day.day} {day:%B %Y}", summary]
    for finding in found:
        lines = [finding.good, *finding.bad]
        said = " ".join(line for line in lines if line) or "Nothing was sent and nothing came in."
        advice = "\n".join(f"  → {line}" for line in finding.advice)
        parts.append(f"{finding.name}: {said}" + (f"\n{advice}" if advice else ""))
    return "\n\n".join(parts) + "\n"
