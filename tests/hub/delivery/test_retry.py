"""What becomes of an item after an attempt."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.delivery.models import State
from hub.delivery.retry import LONGEST_WAIT, Decision, Plan, Progress, decide
from integrations.base.errors import AuthError, PermanentError, RateLimited, Rejected, TransientError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLAN = Plan(quick_tries=3, quick_delay=2, schedule=[300, 900])


def middle() -> float:
    """A random number without jitter."""
    return 0.5


def start(targets: int = 1) -> Progress:
    return Progress(attempts=0, tries=0, target_index=0, target_count=targets)


def go_on(decision: Decision, targets: int) -> Progress:
    return Progress(decision.attempts, decision.tries, decision.target_index, targets)


def walk(targets: int, plan: Plan = PLAN) -> list[tuple[int, float | None]]:
    """Fail until the item fails for good; return (target of the next try, seconds to wait)."""
    progress, path = start(targets), []
    for _ in range(100):
        decision = decide(TransientError("down"), progress, plan, NOW, middle)
        wait = (decision.due_at - NOW).total_seconds() if decision.due_at else None
        path.append((decision.target_index, wait))
        if decision.state != State.PENDING:
            return path
        progress = go_on(decision, targets)
    raise AssertionError("it never ends")


def test_success_completes():
    assert decide(None, start(), PLAN, NOW).state == State.COMPLETED


def test_quick_tries_then_the_schedule_then_failed():
    assert walk(1) == [(0, 2), (0, 4), (0, 300), (0, 900), (0, None)]


def test_fallbacks_get_quick_tries_then_every_wait_tries_each_target_once():
    assert walk(2) == [
        (0, 2),
        (0, 4),
        (1, 0),
        (1, 2),
        (1, 4),
        (0, 300),
        (1, 0),
        (0, 900),
        (1, 0),
        (1, None),
    ]


def test_no_quick_retry_when_one_try_is_all():
    assert walk(1, Plan(quick_tries=1, quick_delay=2, schedule=[60])) == [(0, 60), (0, None)]


def test_a_permanent_error_fails_at_once_but_a_fallback_may_still_take_it():
    alone = decide(Rejected("no such field", fields={"email": "invalid"}), start(), PLAN, NOW)
    assert alone.state == State.FAILED
    with_fallback = decide(PermanentError("refused", status=400), start(2), PLAN, NOW)
    assert (with_fallback.state, with_fallback.target_index) == (State.PENDING, 1)


def test_data_that_never_left_the_hub_does_not_go_to_a_fallback():
    decision = decide(Rejected("the mapping gives no address"), start(2), PLAN, NOW)
    assert decision.state == State.FAILED
    assert decide(Rejected("no such list", status=422), start(2), PLAN, NOW).state == State.PENDING


def test_a_refused_credential_holds_the_item_and_burns_no_try():
    decision = decide(AuthError("revoked"), start(), PLAN, NOW)
    assert (decision.state, decision.attempts, decision.tries) == (State.PENDING, 0, 0)


def test_a_rate_limit_waits_as_asked_and_burns_no_try():
    decision = decide(RateLimited("slow down", retry_after=17), start(), PLAN, NOW)
    assert decision.due_at == NOW + timedelta(seconds=17)
    assert decision.attempts == 0


@pytest.mark.parametrize("asked", [0.5, 5, 60])
def test_never_sooner_than_the_provider_asked(asked):
    decision = decide(TransientError("busy", retry_after=asked), start(), PLAN, NOW, middle)
    assert decision.due_at - NOW == timedelta(seconds=max(2, asked))


def test_an_absurd_retry_after_is_capped():
    decision = decide(TransientError("busy", retry_after=10**9), start(), PLAN, NOW)
    assert decision.due_at - NOW <= timedelta(seconds=LONGEST_WAIT)


def test_jitter_spreads_retries_by_a_fifth_each_way():
    waits = [
        (decide(TransientError("x"), start(), PLAN, NOW, lambda f=f: f).due_at - NOW).total_seconds()
        for f in (0.0, 0.5, 0.999)
    ]
    assert waits[0] == pytest.approx(1.6)
    assert waits[1] == pytest.approx(2.0)
    assert waits[2] == pytest.approx(2.4, abs=0.01)
