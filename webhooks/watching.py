"""Notices subscriptions that fail, warns in time, and switches them off when nothing was taken for five days.

Costs a delivery that succeeds nothing: only failures are written down as they happen; that something was
taken again is read from the log, once a minute, for the few that fail.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.utils import timezone

from hub.delivery.models import IntegrationLog, LogKind
from hub.delivery.store import Settlement
from webhooks.models import Subscription
from webhooks.subscriptions import subscriber, switch_off, tell

logger = logging.getLogger(__name__)

#: Failing for so long without a single success ends it.
ALLOWED = timedelta(days=5)
#: Shares of that time (percent) at which an alarm is raised.
WARN_AT = (50, 70, 90)
#: Failures further apart are two troubles, not one: nothing is known of the time between. Longer than any
#: wait of the schedule and than a Retry-After may be.
GAP = timedelta(hours=30)
EVERY = 60.0
GONE = 410


def note_outcomes(sender: Any, *, settled: Sequence[Settlement], **_: Any) -> None:
    """Write down which subscriptions failed just now (a receiver of ``queue_items_settled``)."""
    failed: dict[UUID, Settlement] = {}
    action = ""
    for one in settled:
        if one.error_kind:
            action = action or subscriber().actions[0].name
            if one.item.action == action:
                failed[one.item.integration_id] = one
    for integration_id, one in failed.items():
        try:
            _note(integration_id, one)
        except DatabaseFailure:
            # Delivering must go on; the next failure is written down again.
            logger.exception("The failure of subscription integration %s was not noted", integration_id)


def watch(now: datetime | None = None) -> int:
    """Look after all that fail: recovered, warned or switched off; return how many still fail."""
    now, failing = now or timezone.now(), 0
    rows = Subscription.objects.filter(failing_since__isnull=False, enabled=True)
    for subscription in rows.select_related("integration", "route"):
        if _took_something(subscription):
            _recover(subscription)
        else:
            failing += 1
            _judge(subscription, now)
    return failing


def ends_at(subscription: Subscription) -> datetime | None:
    """When it will be switched off if nothing is taken until then; None: it does not fail."""
    if subscription.failing_since is None or not subscription.enabled:
        return None
    return subscription.failing_since + ALLOWED


def _note(integration_id: UUID, one: Settlement) -> None:
    subscription = (
        Subscription.objects.filter(integration=integration_id).select_related("integration").first()
    )
    if subscription is None or not subscription.enabled:
        return
    at = one.log.created_at
    if one.log.status_code == GONE:
        switch_off(subscription, "The receiver answered 410: it wants no more messages.", automatic=True)
        return
    last = subscription.last_failure_at
    if subscription.failing_since is None or last is None or at - last > GAP:
        subscription.failing_since, subscription.warned = at, 0
    subscription.last_failure_at = at
    subscription.save(update_fields=["failing_since", "last_failure_at", "warned", "updated_at"])


def _took_something(subscription: Subscription) -> bool:
    return IntegrationLog.objects.filter(
        integration=subscription.integration_id,
        kind=LogKind.DELIVERY,
        outcome="ok",
        created_at__gt=subscription.failing_since,
    ).exists()


def _recover(subscription: Subscription) -> None:
    warned = subscription.warned
    subscription.failing_since, subscription.last_failure_at, subscription.warned = None, None, 0
    subscription.save(update_fields=["failing_since", "last_failure_at", "warned", "updated_at"])
    if warned:
        tell(subscription, "Recovered: a message was taken again.", alarm=True)


def _judge(subscription: Subscription, now: datetime) -> None:
    since, last = subscription.failing_since, subscription.last_failure_at
    if since is None or last is None or now - last > GAP:
        return
    failing = now - since
    if failing >= ALLOWED:
        switch_off(subscription, "Every message failed for five days.", automatic=True)
        return
    due = max((share for share in WARN_AT if failing >= ALLOWED * share / 100), default=0)
    if due > subscription.warned:
        subscription.warned = due
        subscription.save(update_fields=["warned", "updated_at"])
        tell(
            subscription,
            f"Every message has failed since {since:%Y-%m-%d %H:%M} UTC; "
            f"if none is taken it is switched off at {since + ALLOWED:%Y-%m-%d %H:%M} UTC.",
            alarm=True,
            hint="Look at the last failure in its log, mend the receiver, then send a test event.",
        )
