"""Outgoing webhooks that fail: warned of, switched off, switched on again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Status
from hub.delivery.dispatch import Dispatcher
from hub.delivery.models import QueueItem, State
from hub.delivery.signals import integration_state_changed
from tests import factories as make
from tests.conftest import Door
from tests.webhooks.subscribing import URL, accept, make_due, verified
from webhooks import subscriptions, watching
from webhooks.models import Subscription

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alarms() -> Iterator[list[str]]:
    """What the hub told by itself."""
    told: list[str] = []

    def receive(sender: Any, *, reason: str, **_: Any) -> None:
        if sender is Subscription:
            told.append(reason)

    integration_state_changed.connect(receive)
    yield told
    integration_state_changed.disconnect(receive)


def test_410_switches_off_at_once_and_says_so(
    organization: Organization, door: Door, dispatcher: Dispatcher, alarms: list[str]
) -> None:
    made, _ = make.subscription(organization)
    door.answer("POST", URL, 410)
    accept(organization)
    dispatcher.run_until_idle()
    made.refresh_from_db()
    assert not made.enabled
    assert "410" in made.reason
    assert any("410" in text for text in alarms)
    event = accept(organization)
    assert event.routing[0]["outcome"] == "disabled"
    dispatcher.run_until_idle()
    assert len(door.requests) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422, 500, 503])
def test_any_other_failure_is_tried_again_and_noted(
    organization: Organization, door: Door, dispatcher: Dispatcher, status: int
) -> None:
    made, _ = make.subscription(organization)
    door.answer("POST", URL, status)
    accept(organization)
    dispatcher.run_until_idle()
    made.refresh_from_db()
    made.integration.refresh_from_db()
    assert made.failing_since is not None
    assert made.enabled
    assert made.integration.status == Status.ACTIVE
    assert QueueItem.objects.get().state == State.PENDING


def test_five_days_of_failure_warn_thrice_then_switch_off(
    organization: Organization, door: Door, dispatcher: Dispatcher, alarms: list[str]
) -> None:
    made, _ = make.subscription(organization)
    door.answer("POST", URL, 500)
    accept(organization)
    dispatcher.run_until_idle()
    made.refresh_from_db()
    start = made.failing_since
    assert start
    told: list[tuple[float, int]] = []
    for hours in range(0, 5 * 24 + 1, 6):
        now = start + timedelta(hours=hours)
        # It goes on failing: the schedule tries at least every 14 hours.
        Subscription.objects.filter(enabled=True).update(last_failure_at=now - timedelta(hours=1))
        before = len(alarms)
        watching.watch(now)
        watching.watch(now)
        if len(alarms) > before:
            told.append((hours / 120, len(alarms) - before))
    assert [share for share, _ in told] == [0.5, 0.7, 0.9, 1.0]
    assert all(count == 1 for _, count in told)
    made.refresh_from_db()
    assert not made.enabled
    assert "five days" in made.reason
    assert QueueItem.objects.get().state == State.PENDING


def test_a_success_starts_the_clock_anew(
    organization: Organization, door: Door, dispatcher: Dispatcher, alarms: list[str]
) -> None:
    made, _ = make.subscription(organization)
    door.answer("POST", URL, 500, times=1)
    door.answer("POST", URL, 200)
    accept(organization)
    dispatcher.run_until_idle()
    Subscription.objects.update(
        failing_since=timezone.now() - timedelta(days=4), last_failure_at=timezone.now() - timedelta(hours=1)
    )
    assert watching.watch() == 1
    make_due()
    dispatcher.run_until_idle()
    assert watching.watch(timezone.now() + timedelta(days=2)) == 0
    made.refresh_from_db()
    assert (made.enabled, made.failing_since, made.warned) == (True, None, 0)
    assert "Recovered" in alarms[-1]


def test_silence_is_no_failure(organization: Organization, door: Door, dispatcher: Dispatcher) -> None:
    """Nothing was tried for days (the hub was off, nothing happened): that proves nothing."""
    made, _ = make.subscription(organization)
    door.answer("POST", URL, 500)
    accept(organization)
    dispatcher.run_until_idle()
    watching.watch(timezone.now() + timedelta(days=8))
    made.refresh_from_db()
    assert made.enabled
    long_ago = timezone.now() - timedelta(days=8)
    Subscription.objects.update(failing_since=long_ago, last_failure_at=long_ago, warned=90)
    make_due()
    dispatcher.run_until_idle()
    made.refresh_from_db()
    assert made.failing_since
    assert made.failing_since > long_ago
    assert made.warned == 0


def test_switched_on_again_what_was_held_goes_out(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, secret = make.subscription(organization)
    door.answer("POST", URL)
    accept(organization)
    subscriptions.switch_off(made, "Switched off for a test.")
    dispatcher.run_until_idle()
    assert not door.requests
    assert subscriptions.switch_on(made) == 1
    dispatcher.run_until_idle()
    verified(door.last, secret)


def test_a_new_address_forgets_the_failures_of_the_old(
    organization: Organization, door: Door, dispatcher: Dispatcher
) -> None:
    made, secret = make.subscription(organization)
    door.answer("POST", URL, 500)
    door.answer("POST", "https://new.example.com/in")
    accept(organization)
    dispatcher.run_until_idle()
    made.refresh_from_db()
    subscriptions.change(made, url="https://new.example.com/in")
    assert made.failing_since is None
    make_due()
    dispatcher.run_until_idle()
    assert door.last.url == "https://new.example.com/in"
    verified(door.last, secret)
