"""How long an organization's things are kept: as many days as it says itself, else as the hub says."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from hub.accounts.models import Organization


class Kept(StrEnum):
    """What has a retention of its own; the value names the organization's field."""

    EVENTS = "keep_events"
    CONTENTS = "keep_contents"
    LOGS = "keep_logs"
    WEBHOOKS = "keep_webhooks"


def bounds(kind: Kept, now: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield (organization id, moment before which what it has of ``kind`` goes), one organization at a time.

    Contents go by themselves only where the organization says so; else they go with what holds them.
    """
    usual = None if kind == Kept.CONTENTS else settings.HUB.retention_days
    for organization_id, own in Organization.objects.order_by("pk").values_list("pk", kind.value):
        days = own or usual
        if days:
            yield organization_id, now - timedelta(days=days)
