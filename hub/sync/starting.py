"""How runs begin: by hand, by the API, and when a schedule comes round."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from hub.delivery.wake import wake_jobs
from hub.mapping.expressions import compile_expression
from hub.sync.calendar import ScheduleError, next_time
from hub.sync.models import OPEN, Direction, Sync, SyncRun

logger = logging.getLogger(__name__)

#: Schedules that one look begins; the next follows at once while there are more.
DUE_AT_ONCE = 500
#: How long what a webhook told of waits for the end of the run that is under way.
TRY_AGAIN = timedelta(seconds=10)


class AlreadyOpen(Exception):
    """The sync has a run that is not over; ``run`` is that one."""

    def __init__(self, run: SyncRun | None):
        super().__init__("A run of this sync is not over yet. Let it end, or cancel it.")
        self.run = run


def start(sync: Sync, *, origin: str = "admin", full: bool = False, **options: Any) -> SyncRun:
    """Begin a run and wake a worker; raise AlreadyOpen, or ExpressionError for a bad filter.

    ``full``: a pull reads everything again. ``options``: dry_run, filter (JMESPath over a record as an
    envelope, ``data.country == 'FR'``), retry_of (a run whose rejected rows are tried again).
    """
    if options.get("filter"):
        compile_expression(options["filter"])
    sync.refresh_from_db(fields=["read_until"])
    incremental = sync.direction == Direction.PULL and not full
    run = SyncRun(
        organization_id=sync.organization_id,
        sync=sync,
        origin=origin,
        since=sync.read_until if incremental else None,
        **options,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        raise AlreadyOpen(sync.runs.filter(state__in=OPEN).first()) from None
    transaction.on_commit(wake_jobs)
    return run


def start_due(now: datetime | None = None) -> int:
    """Begin what a schedule wants by now; return how many runs began.

    Whoever moves ``next_run_at`` on begins the run: of two schedulers only one does. Where the last
    run is still open the round is left out, and so are rounds that were missed while the hub was down,
    but for one.
    """
    now = now or timezone.now()
    begun = 0
    while rows := list(Sync.objects.filter(next_run_at__lte=now).order_by("next_run_at")[:DUE_AT_ONCE]):
        begun += sum(_start_one(sync, now) for sync in rows)
    return begun


def plan(sync: Sync, now: datetime | None = None) -> None:
    """Set when the sync runs next, from its schedule; raise ScheduleError."""
    scheduled = sync.enabled and sync.cron
    sync.next_run_at = next_time(sync.cron, sync.time_zone, now or timezone.now()) if scheduled else None


def _start_one(sync: Sync, now: datetime) -> bool:
    was, nudged = sync.next_run_at, sync.nudged
    try:
        plan(sync, now)
    except ScheduleError as error:
        logger.warning("The schedule of sync %s is off: %s", sync.pk, error)
        sync.next_run_at = None
    if nudged and (sync.next_run_at is None or sync.next_run_at > now + TRY_AGAIN) and _is_open(sync):
        # A webhook told of a change; the run that is under way may have read past it.
        _move(sync, was, now + TRY_AGAIN, nudged=True)
        return False
    with transaction.atomic():
        if not _move(sync, was, sync.next_run_at, nudged=False) or not sync.enabled:
            return False
        try:
            start(sync, origin="webhook" if nudged else "schedule")
        except AlreadyOpen:
            return False
    return True


def _is_open(sync: Sync) -> bool:
    return sync.enabled and sync.runs.filter(state__in=OPEN).exists()


def _move(sync: Sync, was: datetime | None, to: datetime | None, *, nudged: bool) -> bool:
    """Set when the sync runs next; return whether nobody was faster."""
    rows = Sync.objects.filter(pk=sync.pk, next_run_at=was)
    return bool(rows.update(next_run_at=to, nudged=nudged))
