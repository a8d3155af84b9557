"""Adds up how long deliveries waited for a permit of the limits in force, as the workers tell it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db import IntegrityError
from django.db.models import F

from hub.connections.models import Integration
from hub.metrics.models import TotalFigures


def add_waits(sender: Any, *, waited: Mapping[Integration, int], **_: Any) -> None:
    """Add milliseconds by integration (a receiver of ``rate_limits_waited``)."""
    for integration, milliseconds in waited.items():
        row = TotalFigures.objects.filter(integration=integration)
        if not row.update(rate_held_ms=F("rate_held_ms") + milliseconds):
            # It was deleted meanwhile, or another worker was quicker: then ten seconds are not counted.
            with suppress(IntegrityError):
                TotalFigures.objects.create(
                    organization_id=integration.organization_id,
                    integration=integration,
                    rate_held_ms=milliseconds,
                )
