"""Rows that one worker at a time holds: by a lease that ends, and a fence that each of its writes names.

The model has ``state``, ``lease_until``, ``fence`` and ``started_at``. A worker that dies loses its lease,
not the work; one that comes back after that writes nothing, because another one has raised the fence.
"""

from datetime import datetime, timedelta
from typing import Any

RUNNING = "running"
_TAKEN = ("fence", "state", "lease_until", "started_at")


class Lost(Exception):
    """Somebody else has the row by now, or it was ended; nothing may be written."""


def take(row: Any, seconds: float, now: datetime, *also: str) -> None:
    """Hold a locked row, in the caller's transaction, for ``seconds``; ``also``: further fields to save."""
    row.fence += 1
    row.state = RUNNING
    row.lease_until = now + timedelta(seconds=seconds)
    row.started_at = row.started_at or now
    row.save(update_fields=[*_TAKEN, *also])


def write(row: Any, **values: Any) -> None:
    """Write to a row that is held; raise Lost, with nothing written, where it is so no longer."""
    mine = type(row).objects.filter(pk=row.pk, fence=row.fence, state=RUNNING)
    if not mine.update(**values):
        raise Lost(f"{row._meta.verbose_name} {row.pk} was taken over or ended.")
