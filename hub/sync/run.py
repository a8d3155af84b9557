"""What a worker does with runs: claims what is due, advances each in a thread of its own for a slice of
time, and leaves it as it came out: completed, failed, waiting, or as a person asked."""

import logging
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db import connections, transaction
from django.utils import timezone

from hub.delivery.clock import Watch
from hub.delivery.models import State
from hub.delivery.ratelimit import RateLimiter, make_limiter
from hub.delivery.retry import Plan, Progress, decide
from hub.delivery.wake import wake_jobs
from hub.delivery.worker import worker_name
from hub.lib.held import Lost
from hub.lib.keyring import KeyringError
from hub.lib.sentences import ended, plural
from hub.lib.turns import short_turns
from hub.sync import failures, leases, pull, push
from hub.sync.models import Direction, RunState, SyncRun
from hub.sync.work import Failed, Wait, Work, own_fault

logger = logging.getLogger(__name__)

#: Runs that one worker advances at once.
AT_ONCE = 4
#: Seconds after which a run is given back, so that others have their turn.
SLICE = 10.0

_free = threading.Semaphore(AT_ONCE)
_watch = Watch()


def advance_due() -> int:
    """Begin to advance what is due, each run in a thread; return how many. The worker's job."""
    begun, steady = 0, _steady()
    while _free.acquire(blocking=False):
        run = leases.claim(worker_name(), settings.HUB.lease_seconds, timezone.now(), take_over=steady)
        if run is None:
            _free.release()
            break
        threading.Thread(target=_advance_in_thread, args=(run,), name="sync", daemon=True).start()
        begun += 1
    return begun


def _steady() -> bool:
    """Whether the clock tells whose lease is over; one that was set back is made good."""
    step, lease = _watch.step(), settings.HUB.lease_seconds
    if step < 0:
        leases.set_back(timezone.now(), step, lease)
    return not _watch.was_set_forward_within(lease)


def run_until_idle() -> int:
    """Advance whatever is due in this thread until nothing is; return how many slices that took."""
    slices = 0
    while run := leases.claim(worker_name(), settings.HUB.lease_seconds, timezone.now()):
        advance(run)
        slices += 1
    return slices


def advance(run: SyncRun, *, limiter: RateLimiter | None = None, longest: float = SLICE) -> None:
    """Push or pull for up to ``longest`` seconds, then leave the run; whoever lost it writes nothing."""
    sync = run.sync
    deadline = time.monotonic() + longest
    work = Work(run, sync, limiter or make_limiter(), settings.HUB.lease_seconds, deadline)
    try:
        with short_turns():
            _leave(work, _advance(work))
    except Lost:
        logger.warning("Run %s was taken over by another worker", run.pk)
    finally:
        work.close()


def _advance_in_thread(run: SyncRun) -> None:
    try:
        advance(run)
        wake_jobs()
    except Exception:  # the lease ends, and a worker takes the run up where it was settled
        logger.exception("Run %s stumbled; it goes on when its lease ends", run.pk)
    finally:
        _free.release()
        connections.close_all()


def _advance(work: Work) -> RunState | timedelta:
    """Return the state that the run comes to, or how long it waits before it goes on."""
    run = work.run
    try:
        more = pull.run(work) if work.sync.direction == Direction.PULL else push.run(work)
    except Wait as wait:
        run.message = str(wait)
        return max(timedelta(0), wait.until - timezone.now())
    except Failed as failed:
        return _after_failure(work, failed)
    except Lost:
        raise
    except (KeyError, KeyringError, ValueError) as error:
        run.message = f"{error.args[0] if error.args else error} Mend this, then resume the run."
        return RunState.FAILED
    except Exception as bug:
        logger.exception("Sync run %s failed in our own code", run.pk)
        return _after_failure(work, Failed(own_fault(bug)))
    if more:
        return timedelta(0)
    if work.sync.direction == Direction.PULL:
        pull.finish(work)
    return RunState.COMPLETED


def _after_failure(work: Work, failed: Failed) -> RunState | timedelta:
    """Ask the same decision as a delivery: quick tries, the long schedule, then it fails."""
    run, integration, now = work.run, work.sync.integration, timezone.now()
    plan = Plan(integration.quick_tries, integration.quick_delay, integration.schedule)
    decision = decide(failed.error, Progress(run.tries, run.tries, 0, 1), plan, now)
    run.tries = decision.tries
    run.message = f"{ended(failed.error.message)} {decision.reason}"
    if decision.state == State.FAILED:
        return RunState.FAILED
    return (decision.due_at or now) - now


def _leave(work: Work, outcome: RunState | timedelta) -> None:
    now = timezone.now()
    if isinstance(outcome, timedelta):
        leases.leave(work.run, RunState.PENDING, now, due_at=now + outcome)
        return
    if outcome == RunState.COMPLETED:
        count = work.run.rejected
        work.run.message = f"{plural(count, 'row was', 'rows were')} not taken." if count else ""
    with transaction.atomic():
        leases.leave(work.run, outcome, now)
        news = failures.note(work.run)
    if news:
        failures.tell(work.run)
