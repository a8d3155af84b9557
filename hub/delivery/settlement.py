"""From attempts to settlements, and what they mean for the integration."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from django.db import transaction

from hub.connections.models import Circuit, Integration, Status
from hub.delivery import log
from hub.delivery.attempt import Attempt
from hub.delivery.breaker import Breaker, after_failure, after_success
from hub.delivery.models import LogKind
from hub.delivery.outcomes import take
from hub.delivery.retry import LONGEST_WAIT, Plan, Progress, decide, rate_wait
from hub.delivery.signals import integration_state_changed
from hub.delivery.store import Settlement
from hub.lib.sentences import ended
from integrations.base.errors import AuthError, IntegrationError, PermanentError, RateLimited, TransientError


class Outcome(Protocol):
    """What an integration's state follows from: of a delivery, or of a batch or page of a sync."""

    @property
    def error(self) -> IntegrationError | None:
        """What went wrong; None: it was done."""

    @property
    def finished_at(self) -> datetime:
        """When it was over."""

    @property
    def wait(self) -> float:
        """Seconds that the provider's limit then asked to wait, though it was no refusal; 0: none."""


def settlement_of(attempt: Attempt, integration: Integration, now: datetime) -> Settlement:
    """Decide what becomes of the item, and write down why."""
    item, error = attempt.item, attempt.error
    progress = Progress(item.attempts, item.tries, item.target_index, max(1, len(item.targets)))
    plan = Plan(integration.quick_tries, integration.quick_delay, integration.schedule)
    decision = decide(error, progress, plan, now)
    result = attempt.result
    told = (result.message if result else "") or (error.message if error else "") or decision.reason
    message = f"{ended(told)} {decision.reason}" if error else told
    if attempt.wait and not error:
        message = f"{ended(told)} The provider's limit is used up: the rest waits {attempt.wait:.0f} s."
    entry = log.Entry(
        item.organization_id,
        integration.pk,
        LogKind.DELIVERY,
        error.kind if error else "ok",
        message,
        hint=_hint(error),
        exchanges=attempt.exchanges,
        duration_ms=attempt.duration_ms,
        created_at=attempt.finished_at,
        action=item.action,
        item_id=item.id,
        source_id=item.source_id,
        attempt=item.attempts + 1,
        status_code=error.status if error else None,
    )
    return Settlement(
        item=item,
        state=decision.state,
        due_at=decision.due_at or now,
        attempts=decision.attempts,
        tries=decision.tries,
        target_index=decision.target_index,
        error_kind=error.kind if error else "",
        error=message if error else "",
        external_id=result.external_id if result else "",
        result=dict(result.data) if result and result.data else None,
        log=entry,
    )


def update_integration(integration_id: UUID, attempts: Sequence[Outcome], now: datetime) -> None:
    """Let an integration's state follow from its latest attempts, in their order.

    Costs nothing while all is well: only a change writes.
    """
    with transaction.atomic():
        integration = Integration.objects.select_for_update().filter(pk=integration_id).first()
        if integration is None:
            return
        before = (integration.status, integration.circuit)
        _set_breaker(integration, breaker_of(integration).counting(take(integration_id, time.time()), 0, now))
        for attempt in attempts:
            _apply(integration, attempt, now)
        Integration.objects.filter(pk=integration.pk).update(
            circuit=integration.circuit,
            circuit_until=integration.circuit_until,
            circuit_opened=integration.circuit_opened,
            failure_streak=integration.failure_streak,
            breaker_window=integration.breaker_window,
            blocked_until=integration.blocked_until,
            status=integration.status,
            status_reason=integration.status_reason,
        )
        reason = _change(integration, before)
        if reason:
            log.record(integration, LogKind.STATE, integration.status, reason, created_at=now)
    if reason:
        integration_state_changed.send(Integration, integration=integration, reason=reason)


def breaker_of(integration: Integration) -> Breaker:
    """The breaker as kept on the integration."""
    return Breaker(
        Circuit(integration.circuit),
        integration.failure_streak,
        integration.circuit_opened,
        integration.circuit_until,
        tuple((at, requests, failed) for at, requests, failed in integration.breaker_window or ()),
    )


def _apply(integration: Integration, attempt: Outcome, now: datetime) -> None:
    error = attempt.error
    if isinstance(error, AuthError):
        if integration.status == Status.ACTIVE:
            integration.status, integration.status_reason = Status.RECONNECT, error.message[:500]
    elif isinstance(error, RateLimited):
        _block(integration, attempt.finished_at, rate_wait(error))
    elif isinstance(error, TransientError):
        _set_breaker(
            integration,
            after_failure(
                breaker_of(integration),
                threshold=integration.breaker_threshold,
                cooldown=integration.breaker_cooldown,
                now=now,
            ),
        )
    elif error is None or (isinstance(error, PermanentError) and error.status):
        # An answer, even a refusal of the data, proves that the provider is there.
        _set_breaker(integration, after_success(breaker_of(integration), now))
    if attempt.wait:
        _block(integration, attempt.finished_at, min(attempt.wait, LONGEST_WAIT))


def _block(integration: Integration, since: datetime, seconds: float) -> None:
    until = since + timedelta(seconds=seconds)
    integration.blocked_until = max(integration.blocked_until or until, until)


def _set_breaker(integration: Integration, breaker: Breaker) -> None:
    integration.circuit, integration.failure_streak = breaker.circuit, breaker.streak
    integration.circuit_opened, integration.circuit_until = breaker.opened, breaker.until
    integration.breaker_window = [list(part) for part in breaker.window]


def _change(integration: Integration, before: tuple[str, str]) -> str:
    status, circuit = before
    if integration.status != status:
        return f"Held: the credential was refused. {integration.status_reason}"
    if integration.circuit == Circuit.OPEN and circuit != Circuit.OPEN:
        breaker = breaker_of(integration)
        return (
            f"Circuit opened: {breaker.failed} of {breaker.requests} requests failed within a minute; "
            f"one delivery tries again at {integration.circuit_until:%H:%M:%S} UTC."
        )
    if integration.circuit == Circuit.CLOSED and circuit != Circuit.CLOSED:
        return "Recovered: a delivery passed, the circuit is closed again."
    return ""


def _hint(error: Exception | None) -> str:
    if error is None:
        return ""
    fields = getattr(error, "fields", None)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in fields.items()) if fields else ""
    return " ".join(part for part in (getattr(error, "hint", ""), reasons) if part)


def needs_update(integration: Integration, attempts: Sequence[Outcome]) -> bool:
    """Whether these attempts can change the integration's state at all."""
    if any(attempt.wait or isinstance(attempt.error, TransientError | AuthError) for attempt in attempts):
        return True
    return integration.failure_streak > 0 or integration.circuit != Circuit.CLOSED
