"""The jobs that webhooks give to workers and to the schedule."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.signals import post_save
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.retention import Kept, bounds
from hub.delivery.jobs import register_scheduled_job, register_worker_job
from hub.delivery.pruning import SLICE_EVERY, change_rows, gentle, prune_rows
from hub.delivery.signals import queue_items_settled
from hub.lib.pace import Pace, Rounds
from webhooks import subscriptions, watching
from webhooks.models import ReceivedWebhook
from webhooks.process import process_due, release
from webhooks.store import State

DAY = 24 * 3600


def register() -> None:
    """Called once, when the apps are ready."""
    register_worker_job("webhooks", process_due)
    register_scheduled_job("prune webhooks", SLICE_EVERY, Rounds(prune, gentle), apart=True)
    register_scheduled_job("prune subscriptions", DAY, subscriptions.prune)
    register_scheduled_job("watch subscriptions", watching.EVERY, watching.watch)
    post_save.connect(_release, sender=Organization, dispatch_uid="webhooks-quota")
    queue_items_settled.connect(watching.note_outcomes, dispatch_uid="watch-subscriptions")


def _release(sender: Any, *, instance: Organization, created: bool, **_: Any) -> None:
    """Somebody changed an organization: its quota may let pass what was held for it."""
    if not created:
        release(instance)


def prune(pace: Pace | None = None) -> int:
    """Remove calls past their organization's retention, and what they said where only that has passed.

    Those that wait are kept. Return how many went.
    """
    pace, now = pace or gentle(), timezone.now()
    removed = 0
    for organization_id, before in bounds(Kept.WEBHOOKS, now):
        removed += prune_rows(_old(organization_id, before), pace)
    for organization_id, before in bounds(Kept.CONTENTS, now):
        telling = _old(organization_id, before).exclude(body=b"", headers={})
        removed += change_rows(telling, pace, body=b"", headers={}, query="")
    return removed


def _old(organization_id: int, before: datetime) -> QuerySet[ReceivedWebhook]:
    """Return the organization's calls of before that nothing is to be done about any more."""
    rows = ReceivedWebhook.objects.filter(organization_id=organization_id, received_at__lt=before)
    return rows.exclude(state=State.RECEIVED)
