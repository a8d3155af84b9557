"""What the scheduler does for data quality, and what it hears of."""

from typing import Any

from django.db.models.signals import post_delete, post_save

from hub.delivery.jobs import register_scheduled_job
from hub.quality.checking import want, work
from hub.quality.drift import page_was_read
from hub.quality.models import QualityRule
from hub.sync.models import RecordType
from hub.sync.signals import page_read

#: Seconds between two slices of checking.
LOOK_EVERY = 5


def register() -> None:
    """Called once, when the apps are ready."""
    register_scheduled_job("data quality", LOOK_EVERY, work)
    page_read.connect(page_was_read, dispatch_uid="quality-drift")
    for signal in (post_save, post_delete):
        signal.connect(_rule_changed, sender=QualityRule, dispatch_uid=f"quality-{id(signal)}")


def _rule_changed(sender: Any, *, instance: QualityRule, **_: Any) -> None:
    owner = RecordType.objects.filter(pk=instance.type_id).first()
    if owner is not None:
        want(owner)
