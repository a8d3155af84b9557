"""Which worker advances a run: ``hub.lib.held`` says how one is held, this what becomes of it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from hub.lib.held import take, write
from hub.sync.models import RunState, SyncRun

PAUSE, CANCEL = "pause", "cancel"
_ASKED = {PAUSE: RunState.PAUSED, CANCEL: RunState.CANCELLED}
#: What a worker changes about the run that it holds.
_PROGRESS = (
    *("cursor", "ahead", "total", "created", "updated", "deleted", "unchanged", "rejected", "skipped"),
    *("tries", "message", "since"),
)


def claim(owner: str, lease: float, now: datetime, *, take_over: bool = True) -> SyncRun | None:
    """Take the run that waits longest, or one whose worker is gone, for ``lease`` seconds.

    ``take_over`` is False while nobody can tell whose worker is gone: the clock was set forward.
    """
    # Looks first without a transaction: SQLite would have nobody else write meanwhile.
    while _next(SyncRun.objects.all(), now, take_over=take_over) is not None:
        with transaction.atomic():
            rows = SyncRun.objects.select_for_update(skip_locked=True)
            run = _next(rows, now, take_over=take_over)
            if run is None:
                return None
            run.lease_owner = owner
            take(run, lease, now, "lease_owner")
        if not run.asked:
            return run
        leave(run, RunState.PENDING, now)
    return None


def settle(run: SyncRun, lease: float, now: datetime) -> None:
    """Write the run's progress, in the caller's transaction, and hold it on; raise Lost."""
    run.lease_until = now + timedelta(seconds=lease)
    write(run, lease_until=run.lease_until, **{name: getattr(run, name) for name in _PROGRESS})


def asked(run: SyncRun) -> bool:
    """Whether a person wants the run to stop."""
    return bool(SyncRun.objects.values_list("asked", flat=True).get(pk=run.pk))


def leave(run: SyncRun, state: RunState, now: datetime, *, due_at: datetime | None = None) -> RunState:
    """Give the run up in ``state``, unless a person asked for another; return what it became.

    Raise Lost.
    """
    with transaction.atomic():
        wanted = SyncRun.objects.select_for_update().values_list("asked", flat=True).get(pk=run.pk)
        if wanted and state == RunState.PENDING:
            state = _ASKED[wanted]
        write(
            run,
            state=state,
            asked="",
            due_at=due_at or now,
            lease_owner="",
            lease_until=None,
            finished_at=now if state not in (RunState.PENDING, RunState.PAUSED) else None,
            tries=run.tries,
            message=run.message[:1000],
        )
    run.state = state
    return state


def pause(run: SyncRun) -> bool:
    """Hold the run at what is settled; return whether that was possible."""
    return _ask(run, PAUSE, RunState.PENDING)


def cancel(run: SyncRun, now: datetime) -> bool:
    """End the run; what is done stays done. Return whether that was possible."""
    done = _ask(run, CANCEL, RunState.PENDING, RunState.PAUSED)
    SyncRun.objects.filter(pk=run.pk, state=RunState.CANCELLED).update(finished_at=now)
    return done


def resume(run: SyncRun, now: datetime) -> bool:
    """Go on where a paused or failed run stopped; return whether that was possible."""
    with transaction.atomic():
        rows = SyncRun.objects.filter(pk=run.pk)
        open_ones = SyncRun.objects.filter(sync=run.sync, state__in=(RunState.PENDING, RunState.RUNNING))
        if open_ones.exclude(pk=run.pk).exists():
            return False
        back = rows.filter(state__in=(RunState.PAUSED, RunState.FAILED))
        changed = back.update(
            state=RunState.PENDING, asked="", due_at=now, tries=0, message="", finished_at=None
        )
    return bool(changed)


def _ask(run: SyncRun, wanted: str, *waiting: RunState) -> bool:
    with transaction.atomic():
        row = SyncRun.objects.select_for_update().get(pk=run.pk)
        if row.state == RunState.RUNNING:
            row.asked = wanted
        elif row.state in waiting:
            row.state, row.asked = _ASKED[wanted], ""
        else:
            return False
        row.save(update_fields=["state", "asked"])
    return True


def _next(rows: QuerySet[SyncRun], now: datetime, *, take_over: bool) -> SyncRun | None:
    waiting = rows.filter(state=RunState.PENDING, due_at__lte=now).order_by("due_at").first()
    if waiting is not None or not take_over:
        return waiting
    return rows.filter(state=RunState.RUNNING, lease_until__lt=now).first()


def set_back(now: datetime, step: float, lease: float) -> None:
    """Bring leases and due times into the time of a clock that was set back by ``step`` (negative) seconds.

    Else a dead worker would hold its run for as long. Doing it twice changes nothing more.
    """
    held = SyncRun.objects.filter(state=RunState.RUNNING, lease_until__gt=now + timedelta(seconds=2 * lease))
    held.update(lease_until=now + timedelta(seconds=lease))
    waiting = SyncRun.objects.filter(state=RunState.PENDING, created_at__gt=now)
    waiting.update(due_at=F("due_at") + timedelta(seconds=step), created_at=now)
