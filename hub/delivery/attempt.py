"""One attempt at one delivery: map, then send. Runs in a worker's thread; settles nothing."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.connections.client import Connection
from hub.delivery.inputs import InputError, build_input
from hub.delivery.sources import Envelope
from hub.delivery.store import Claimed
from hub.lib import logs, tracing
from integrations.base.errors import IntegrationError, PermanentError, TransientError
from integrations.base.http import Exchange
from integrations.base.results import Result

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Attempt:
    """What came of an attempt: a result or an error, and the redacted exchanges."""

    item: Claimed
    result: Result | None
    error: IntegrationError | None
    duration_ms: int
    finished_at: datetime
    exchanges: list[Exchange] = field(default_factory=list)
    #: Seconds that the provider's limit asks the integration to wait, though this one passed.
    wait: float = 0.0

    @property
    def closes_gate(self) -> bool:
        """Whether the gate must decide anew before anything more is sent to the integration."""
        return self.error is not None or self.wait > 0


@dataclass(slots=True, eq=False)
class Work:
    """Everything an attempt needs, loaded before: a thread that sends asks no database."""

    item: Claimed
    connection: Connection
    rules: list[Mapping[str, Any]] | None
    envelope: Envelope | None
    #: Asked when the request is ready to leave.
    permit: Callable[[], None] | None = None

    def facts(self) -> dict[str, str]:
        """What log lines written during the attempt carry."""
        return {
            "item": str(self.item.id),
            "event": str(self.item.source_id),
            "integration": str(self.item.integration_id),
            "action": self.item.action,
            "attempt": str(self.item.attempts + 1),
        }


def make_attempt(work: Work, clock: Callable[[], datetime]) -> Attempt:
    """Deliver one item. Never raises: what goes wrong is the attempt's ``error``."""
    scope = logs.enter(work.facts, work.connection.redactor.text)
    try:
        with tracing.delivery_span(work.item.source_id, work.facts) as span:
            attempt = _attempt(work, clock)
            if span:
                span.set_attribute("interchange.outcome", attempt.error.kind if attempt.error else "ok")
        if logs.traffic.isEnabledFor(logging.INFO):
            _tell(attempt)
        return attempt
    finally:
        logs.leave(scope)


def _attempt(work: Work, clock: Callable[[], datetime]) -> Attempt:
    started = time.perf_counter()
    exchanges: list[Exchange] = []
    result, error, wait = None, None, 0.0
    try:
        result, wait = _deliver(work, clock(), exchanges)
    except IntegrationError as refused:
        error = refused
    except Exception as bug:  # a fault in a provider's code must not lose the item nor the worker
        logger.exception("Delivery %s by %s failed in our own code", work.item.id, work.item.action)
        error = TransientError(
            f"Interchange's own code failed here ({type(bug).__name__}).",
            hint="This is a fault of the hub: please report it with the time of this entry.",
        )
    duration = int((time.perf_counter() - started) * 1000)
    return Attempt(work.item, result, error, duration, clock(), exchanges, wait)


def _tell(attempt: Attempt) -> None:
    facts: dict[str, str | int] = {"duration_ms": attempt.duration_ms}
    if attempt.exchanges and attempt.exchanges[-1].status:
        facts["status"] = attempt.exchanges[-1].status
    facts["outcome"] = attempt.error.kind if attempt.error else "ok"
    text = attempt.error.message if attempt.error else "delivered"
    logs.traffic.info("Attempt: %s", text, extra={"facts": facts})


def _deliver(work: Work, now: datetime, exchanges: list[Exchange]) -> tuple[Result, float]:
    """Return the result, and the seconds that the provider's limit then asks to wait."""
    if work.envelope is None:
        raise PermanentError("The event is gone: it was erased or its retention has passed.")
    try:
        action = work.connection.provider.action(work.item.action)
    except KeyError as error:
        raise PermanentError(
            f"{work.connection.provider.name} has no such action. {error.args[0]}",
            hint="Choose another action in the route, then replay the event.",
        ) from error
    try:
        data = build_input(action, work.rules, work.envelope)
    except InputError as error:
        raise error.as_permanent() from error
    context = work.connection.context(work.item.idempotency_key, now=now, exchanges=exchanges)
    context.http.admit = work.permit
    try:
        result = action.run(context, data).masked(work.connection.redactor.text)
    except IntegrationError as error:
        error.mask(work.connection.redactor.text)
        raise
    return result, context.http.wait
