"""When to try again: a pure decision, no I/O.

First a few quick tries at the present target, then the fallbacks in the same way, then the long
schedule, one try at every target per wait. Nothing is dropped: past the schedule an item fails,
is shown and can be retried.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.delivery.models import State
from integrations.base.errors import (
    AuthError,
    IntegrationError,
    PermanentError,
    RateLimited,
    Rejected,
    TransientError,
)

#: No provider may ask for a longer wait than this many seconds.
LONGEST_WAIT = 24 * 3600
#: Seconds to wait after a 429 that says nothing.
DEFAULT_RATE_WAIT = 30.0
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """How an integration retries: quick tries, seconds before the second, the long schedule."""

    quick_tries: int
    quick_delay: float
    schedule: Sequence[float]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an item has come: counted tries in all and at this target, which of how many."""

    attempts: int
    tries: int
    target_index: int
    target_count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an item after an attempt."""

    state: State
    due_at: datetime | None
    attempts: int
    tries: int
    target_index: int
    reason: str


def decide(
    error: IntegrationError | None,
    progress: Progress,
    plan: Plan,
    now: datetime,
    random_factor: Callable[[], float] = random.random,
) -> Decision:
    """Return what follows from an attempt that ended with ``error`` (None: it succeeded)."""
    if error is None:
        return _end(State.COMPLETED, progress, "Delivered.")
    if isinstance(error, AuthError):
        return _wait(progress, now, 0.0, counted=False, reason="Held until the integration is reconnected.")
    if isinstance(error, RateLimited):
        wait = rate_wait(error, random_factor)
        return _wait(progress, now, wait, counted=False, reason=f"Waits {wait:.0f} s: provider's limit.")
    if isinstance(error, PermanentError) or not isinstance(error, TransientError):
        # Data that did not even leave the hub is no fault of the provider: a fallback stands in for that.
        left = not isinstance(error, Rejected) or error.status is not None
        if left and progress.target_index + 1 < progress.target_count:
            return _fall_back(progress, plan, now)
        return _end(State.FAILED, progress, "Will not pass as it is; mend the cause, then retry.")
    return _after_transient(error, progress, plan, now, random_factor)


def rate_wait(error: RateLimited, random_factor: Callable[[], float] = random.random) -> float:
    """Seconds that the whole integration waits after a 429, never less than the provider asked."""
    if error.retry_after is not None:
        return min(error.retry_after, LONGEST_WAIT)
    return _jittered(DEFAULT_RATE_WAIT, random_factor)


def _after_transient(
    error: TransientError, progress: Progress, plan: Plan, now: datetime, random_factor: Callable[[], float]
) -> Decision:
    tries = progress.tries + 1
    at_least = min(error.retry_after or 0.0, LONGEST_WAIT)
    if tries < plan.quick_tries:
        delay = max(at_least, _jittered(plan.quick_delay * 2 ** (tries - 1), random_factor))
        return _wait(progress, now, delay, counted=True, reason=f"Tries again in {_say(delay)}.")
    if progress.target_index + 1 < progress.target_count:
        return _fall_back(progress, plan, now)
    done = _waits_done(progress.attempts + 1, progress.target_count, plan.quick_tries)
    if done >= len(plan.schedule):
        return _end(State.FAILED, progress, "All tries of the schedule are used up.")
    delay = max(at_least, _jittered(float(plan.schedule[done]), random_factor))
    return Decision(
        State.PENDING,
        now + timedelta(seconds=delay),
        progress.attempts + 1,
        # From the long schedule on, each target gets one try per wait.
        max(tries, plan.quick_tries),
        0,
        f"Waits {_say(delay)} before the next try (wait {done + 1} of {len(plan.schedule)}).",
    )


def _waits_done(attempts: int, targets: int, quick_tries: int) -> int:
    """How many long waits lie behind an item: each costs one try per target."""
    return max(0, (attempts - targets * quick_tries) // targets)


def _fall_back(progress: Progress, plan: Plan, now: datetime) -> Decision:
    on_long_schedule = progress.tries >= plan.quick_tries
    return Decision(
        State.PENDING,
        now,
        progress.attempts + 1,
        progress.tries if on_long_schedule else 0,
        progress.target_index + 1,
        "Goes to the next fallback.",
    )


def _wait(progress: Progress, now: datetime, delay: float, *, counted: bool, reason: str) -> Decision:
    more = 1 if counted else 0
    return Decision(
        State.PENDING,
        now + timedelta(seconds=delay),
        progress.attempts + more,
        progress.tries + more,
        progress.target_index,
        reason,
    )


def _end(state: State, progress: Progress, reason: str) -> Decision:
    return Decision(state, None, progress.attempts + 1, progress.tries + 1, progress.target_index, reason)


def _jittered(delay: float, random_factor: Callable[[], float]) -> float:
    return delay * (1 + JITTER * (2 * random_factor() - 1))


def _say(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
