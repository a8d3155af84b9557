"""What workers and the scheduler do for files."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from hub.delivery.jobs import register_scheduled_job, register_worker_job
from hub.delivery.pruning import prune_rows
from hub.files.importing import OPEN, advance_due
from hub.files.models import FileImport, ImportState
from hub.files.store import forget

HOUR = 3600
#: After which an upload that nobody went on with is removed.
LEFT_ALONE = timedelta(days=7)


def register() -> None:
    """Called once, when the apps are ready."""
    register_worker_job("file imports", advance_due)
    register_scheduled_job("prune file imports", HOUR, prune)


def prune() -> int:
    """Remove uploads that nobody went on with and imports past the retention; return how many went."""
    now = timezone.now()
    unfinished = (ImportState.UPLOADING, ImportState.UPLOADED, ImportState.FAILED)
    over = FileImport.objects.filter(state__in=(ImportState.CANCELLED, ImportState.COMPLETED))
    for pk in over.filter(chunks__isnull=False).values_list("pk", flat=True).distinct():
        forget(pk)
    left = FileImport.objects.filter(state__in=unfinished, created_at__lt=now - LEFT_ALONE)
    before = now - timedelta(days=settings.HUB.retention_days)
    old = FileImport.objects.exclude(state__in=OPEN).filter(finished_at__lt=before)
    for pk in [*left.values_list("pk", flat=True), *old.values_list("pk", flat=True)]:
        forget(pk)
    return prune_rows(left) + prune_rows(old)
