"""What workers and the scheduler do for sync."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from hub.delivery.jobs import register_scheduled_job, register_worker_job
from hub.delivery.pruning import prune_rows
from hub.sync.models import FINISHED, SyncRun
from hub.sync.run import advance_due
from hub.sync.starting import start_due

#: Seconds: how late a schedule may begin.
LOOK_EVERY = 10
DAY = 24 * 3600


def register() -> None:
    """Called once, when the apps are ready."""
    register_worker_job("syncs", advance_due)
    register_scheduled_job("scheduled syncs", LOOK_EVERY, start_due)
    register_scheduled_job("prune sync runs", DAY, prune)


def prune() -> int:
    """Remove finished runs past the retention, with their rejected rows; return how many went."""
    before = timezone.now() - timedelta(days=settings.HUB.retention_days)
    return prune_rows(SyncRun.objects.filter(state__in=FINISHED, finished_at__lt=before))
