"""What may be claimed, and when an integration is left alone."""

from datetime import UTC, datetime, timedelta

from hub.connections.models import Circuit, Status
from hub.delivery.breaker import LONGEST_PAUSE, Breaker, after_failure, after_success
from hub.delivery.gate import fair_room, gate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLOSED = Breaker(Circuit.CLOSED, 0, 0, None)


def fail(breaker: Breaker, at: datetime = NOW) -> Breaker:
    return after_failure(breaker, threshold=3, cooldown=30, now=at)


def opened(times: int = 1) -> Breaker:
    return Breaker(Circuit.OPEN, 3, times, NOW + timedelta(seconds=30))


def look(**changes):
    given = {"status": Status.ACTIVE, "blocked_until": None, "breaker": CLOSED, "room": 50, "now": NOW}
    return gate(**{**given, "lease": 90, **changes})


def test_opens_at_the_threshold_only():
    second = fail(fail(CLOSED))
    assert second.circuit == Circuit.CLOSED
    third = fail(second)
    assert (third.circuit, third.until) == (Circuit.OPEN, NOW + timedelta(seconds=30))


def test_opens_where_half_of_enough_requests_failed():
    """Ten within a minute are enough to tell; four bad ones of them are not too many, five are."""

    def after(good, bad):
        breaker = CLOSED.counting(good, bad and 0, NOW)
        for _ in range(bad):
            breaker = after_failure(breaker, threshold=10, cooldown=30, now=NOW)
        return breaker

    assert after(0, 9).circuit == Circuit.CLOSED
    assert after(0, 10).circuit == Circuit.OPEN
    assert after(6, 5).circuit == Circuit.CLOSED
    assert after(5, 5).circuit == Circuit.OPEN
    assert (after(5, 5).requests, after(5, 5).failed) == (10, 5)


def test_what_happened_more_than_a_minute_ago_does_not_count():
    long_ago = fail(fail(CLOSED))
    assert fail(long_ago, NOW + timedelta(seconds=71)).circuit == Circuit.CLOSED
    assert fail(long_ago, NOW + timedelta(seconds=40)).circuit == Circuit.OPEN


def test_a_recovery_begins_to_count_anew():
    mended = after_success(Breaker(Circuit.HALF_OPEN, 3, 1, NOW, ((int(NOW.timestamp()), 9, 9),)), NOW)
    assert (mended.circuit, mended.opened, mended.requests, mended.failed) == (Circuit.CLOSED, 0, 1, 0)


def test_the_window_stays_small():
    breaker = CLOSED
    for second in range(0, 3600, 7):
        breaker = breaker.counting(5, 0, NOW + timedelta(seconds=second))
    assert len(breaker.window) <= 6


def test_a_failed_trial_waits_twice_as_long_up_to_a_limit():
    half_open = Breaker(Circuit.HALF_OPEN, 3, 1, NOW)
    assert fail(half_open).until == NOW + timedelta(seconds=60)
    assert fail(Breaker(Circuit.HALF_OPEN, 9, 30, NOW)).until == NOW + timedelta(seconds=LONGEST_PAUSE)


def test_what_was_under_way_when_it_opened_does_not_prolong_the_pause():
    assert fail(opened()).until == opened().until


def test_an_open_circuit_lets_nothing_through_and_says_when_to_look_again():
    shut = look(breaker=opened())
    assert (shut.quota, shut.look_again, shut.divert) == (0, opened().until, True)


def test_after_the_pause_exactly_one_tries():
    trial = look(breaker=opened(), now=NOW + timedelta(seconds=31))
    assert trial.quota == 1
    assert trial.trial.circuit == Circuit.HALF_OPEN
    assert look(breaker=trial.trial, now=NOW + timedelta(seconds=32)).quota == 0


def test_a_trial_whose_worker_died_is_made_again_after_its_lease():
    trial = look(breaker=opened(), now=NOW + timedelta(seconds=31)).trial
    assert look(breaker=trial, now=NOW + timedelta(seconds=31 + 91)).quota == 1


def test_paused_holds_and_keeps_its_items_to_itself():
    paused = look(status=Status.PAUSED)
    assert (paused.quota, paused.divert) == (0, False)


def test_a_dead_credential_holds_but_lets_fallbacks_take_over():
    held = look(status=Status.RECONNECT)
    assert (held.quota, held.divert) == (0, True)


def test_the_provider_asked_to_wait():
    later = NOW + timedelta(seconds=5)
    assert look(blocked_until=later).look_again == later
    assert look(blocked_until=NOW).quota == 50


def test_however_many_are_slow_a_thread_is_left_for_the_next():
    free, running = 96, [0] * 12
    for _ in range(20):
        for number, in_flight in enumerate(running):
            started = fair_room(free, in_flight, limit=1000, reserve=12)
            running[number] += started
            free -= started
    assert min(running) >= 1


def test_a_lone_integration_gets_most_of_the_threads_if_it_is_slow():
    assert fair_room(96, 0, limit=1000, latency=0.05, reserve=12) == 63
    assert fair_room(96, 0, limit=1000, reserve=12) == 63


def test_a_quick_integration_gets_no_more_threads_than_it_can_use():
    assert fair_room(96, 0, limit=1000, latency=0.0, reserve=12) == 4
    assert fair_room(96, 0, limit=1000, latency=0.002, reserve=12) == 9


def test_the_limit_in_flight_holds_even_with_all_threads_free():
    assert fair_room(100, 6, limit=8) == 2
    assert fair_room(100, 8, limit=8) == 0
    assert fair_room(0, 0, limit=8) == 0
