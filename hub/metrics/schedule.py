"""What metrics have done on a schedule."""

from django.utils import timezone

from hub.connections.signals import credential_expiring
from hub.delivery.jobs import register_scheduled_job
from hub.delivery.pruning import prune_rows
from hub.delivery.signals import rate_limits_waited
from hub.metrics import held, hours, mailing, report, rollup
from hub.metrics.models import HealthReport, HourFigures, MinuteFigures, OrganizationHours

#: Seconds. Often, because what is not rolled up is read row by row from the log.
STATS_EVERY = 15
HOURS_EVERY = 60
HOUR = 3600
DAY = 24 * HOUR


def register() -> None:
    """Called once, when the apps are ready."""
    register_scheduled_job("stats", STATS_EVERY, rollup.roll_up)
    register_scheduled_job("hours", HOURS_EVERY, hours.close_hours)
    # Looks every hour whether yesterday's report is there: once a day, however often the hub restarts.
    register_scheduled_job("health report", HOUR, health_reports)
    register_scheduled_job("prune figures", DAY, prune)
    credential_expiring.connect(mailing.warn_of_expiry, dispatch_uid="expiry-mail")
    rate_limits_waited.connect(held.add_waits, dispatch_uid="held-by-limits")


def health_reports() -> int:
    """Write the reports on yesterday that are missing, and mail those that are not mailed; return how many
    were written."""
    written = report.write_missing()
    mailing.mail_waiting()
    return written


def prune() -> int:
    """Remove figures and reports past their time, in short batches; return how many rows went."""
    now = timezone.now()
    removed = prune_rows(MinuteFigures.objects.filter(at__lt=now - rollup.MINUTES_KEPT))
    removed += prune_rows(HourFigures.objects.filter(at__lt=now - rollup.HOURS_KEPT))
    removed += prune_rows(OrganizationHours.objects.filter(at__lt=now - rollup.HOURS_KEPT))
    return removed + prune_rows(HealthReport.objects.filter(created_at__lt=now - rollup.HOURS_KEPT))
