"""The jobs that webhooks give to workers and to the schedule."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from hub.delivery.housekeeping import prune_rows
from hub.delivery.jobs import register_scheduled_job, register_worker_job
from webhooks.models import ReceivedWebhook
from webhooks.process import process_due
from webhooks.store import State

DAY = 24 * 3600


def register() -> None:
    """Called once, when the apps are ready."""
    register_worker_job("webhooks", process_due)
    register_scheduled_job("prune webhooks", DAY, prune)


def prune() -> int:
    """Remove calls past their retention; those that wait are kept. Return how many went."""
    before = timezone.now() - timedelta(days=settings.HUB.retention_days)
    old = ReceivedWebhook.objects.filter(received_at__lt=before).exclude(state=State.RECEIVED)
    return prune_rows(old)
