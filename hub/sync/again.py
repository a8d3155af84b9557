"""Rows that an earlier pull rejected, taken again as they were read: nothing is asked of the integration."""

from collections.abc import Sequence

from django.db import transaction

from hub.sync.models import ExternalLink, RejectedRow, SyncRun
from hub.sync.taking import take
from hub.sync.work import Work
from integrations.base.provider import Pull

#: Rows taken in one transaction.
AT_ONCE = 500


def run(work: Work, source: Pull, earlier: SyncRun) -> bool:
    """Take rows of ``earlier`` until the slice is over; return whether there are more. Raise Lost.

    A row that was read again since, taken or not, is skipped: what is kept here is older.
    """
    if work.run.total is None:
        work.run.total = earlier.rejected_rows.count()
    while rows := _next(work.run, earlier):
        _settle(work, source, earlier, rows)
        if work.stopped() or work.late:
            return True
    return False


def _next(run: SyncRun, earlier: SyncRun) -> list[RejectedRow]:
    return list(earlier.rejected_rows.filter(pk__gt=int(run.cursor or 0)).order_by("pk")[:AT_ONCE])


def _settle(work: Work, source: Pull, earlier: SyncRun, rows: Sequence[RejectedRow]) -> None:
    run = work.run
    with transaction.atomic():
        newer = _read_since(earlier, [row.key for row in rows])
        fresh = [row.row for row in rows if row.row is not None and row.key not in newer]
        rejected = take(work, fresh, source)
        run.skipped += len(rows) - len(fresh)
        run.rejected += len(rejected)
        run.cursor = str(rows[-1].pk)
        run.tries, run.message = 0, ""
        work.settle([], rejected)


def _read_since(earlier: SyncRun, keys: Sequence[str]) -> set[str]:
    """Return the ids that were read after the run that rejected them."""
    ended = earlier.finished_at or earlier.created_at
    links = ExternalLink.objects.filter(
        integration_id=earlier.sync.integration_id, external_id__in=keys, read_at__gt=ended
    )
    refused = RejectedRow.objects.filter(
        key__in=keys, run__sync_id=earlier.sync_id, run__created_at__gt=earlier.created_at
    ).exclude(run__retry_of=earlier)
    return {*links.values_list("external_id", flat=True), *refused.values_list("key", flat=True)}
