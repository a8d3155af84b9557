"""What push and pull have in common: a run under way, the gate before each step, the log after it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any, NoReturn

from django.db import transaction
from django.utils import timezone

from hub.connections.client import Connection, open_connection
from hub.connections.models import Integration
from hub.delivery import log
from hub.delivery.gate import gate
from hub.delivery.models import LogKind
from hub.delivery.ratelimit import RateLimiter
from hub.delivery.settlement import breaker_of, needs_update, update_integration
from hub.mapping.expressions import Expression, ExpressionError, compile_expression, is_true
from hub.sync import leases
from hub.sync.models import RejectedRow, RunChange, Sync, SyncRun
from integrations.base.errors import IntegrationError, PermanentError, TransientError
from integrations.base.http import Exchange

#: Seconds that a worker waits for a permit itself; for longer ones it gives the run back.
WAIT_HERE = 2.0
#: Seconds after which a held integration is looked at again.
LOOK_AGAIN = 15.0
MAX_REASON = 1000
#: Rows of a dry run that are shown with their values.
SHOWN = 200


class Wait(Exception):
    """The run cannot go on before ``until``; the message says why."""

    def __init__(self, message: str, until: datetime):
        super().__init__(message)
        self.until = until


class Admission:
    """One call's permit, taken when its first request is made and ready.

    One that was taken before the body was made would let the provider see more calls in some second than
    the limit allows. ``waited``: seconds, which are none of the provider's.
    """

    def __init__(self, work: "Work"):
        self._work, self._paid = work, False
        self.waited = 0.0

    def __call__(self) -> None:
        """Let a request go; raise Wait where the first would have to wait for long."""
        if not self._paid:
            began = time.perf_counter()
            self._work.permit()
            self.waited, self._paid = time.perf_counter() - began, True


class Failed(Exception):
    """A call to the provider failed with ``error``, in a way that another try may mend."""

    def __init__(self, error: IntegrationError):
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class Call:
    """One call to the provider, for the log and for the state of the integration."""

    action: str
    message: str
    duration_ms: int
    finished_at: datetime
    error: IntegrationError | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    #: Seconds that the provider's limit asks to wait, by the headers of its answer.
    wait: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it failed in a way that another try may mend; a refusal of data is an answer."""
        return self.error is not None and not isinstance(self.error, PermanentError)


@dataclass
class Work:
    """A run that this worker holds, with everything its steps need. ``deadline`` is monotonic."""

    run: SyncRun
    sync: Sync
    limiter: RateLimiter
    lease: float
    deadline: float
    #: Something that was sent came to no end: nothing further is sent before that is settled.
    stuck: bool = False
    #: What the latest call that found no permit waits for.
    held: Wait | None = None

    @cached_property
    def connection(self) -> Connection:
        """The integration made ready; raise KeyError or KeyringError where it cannot be opened."""
        return open_connection(self.sync.integration)

    @cached_property
    def rules(self) -> list[Mapping[str, Any]] | None:
        """The mapping's rules, as they are now."""
        return self.sync.mapping.rules if self.sync.mapping else None

    @cached_property
    def _shown(self) -> int:
        return self.run.changes.count()

    @cached_property
    def filter(self) -> Expression | None:
        """What a record must be like."""
        return compile_expression(self.run.filter) if self.run.filter else None

    @cached_property
    def courier(self) -> ThreadPoolExecutor:
        """The one thread that sees to sending while this one finds what comes next."""
        return ThreadPoolExecutor(1, thread_name_prefix="sync-courier")

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """Threads that speak to the provider while this one speaks to the database."""
        return ThreadPoolExecutor(self.sync.integration.in_flight_limit, thread_name_prefix="sync")

    def close(self) -> None:
        """Let the threads go."""
        for name in ("courier", "threads"):
            if name in self.__dict__:
                getattr(self, name).shutdown(wait=False, cancel_futures=True)

    @property
    def late(self) -> bool:
        """Whether this worker's slice of the run is over."""
        return time.monotonic() >= self.deadline

    def stopped(self) -> bool:
        """Whether a person wants the run to stop."""
        return leases.asked(self.run)

    def passes(self, record: Mapping[str, Any]) -> bool:
        """Whether the filter takes a record; one that it cannot be asked about is not taken."""
        if self.filter is None:
            return True
        try:
            return is_true(self.filter.search(record))
        except ExpressionError:
            return False

    def room(self) -> int:
        """How many calls may be made at once now; raise Wait where none may."""
        now = timezone.now()
        row = Integration.objects.get(pk=self.sync.integration_id)
        self.sync.integration = row
        decision = gate(
            status=row.status,
            blocked_until=row.blocked_until,
            breaker=breaker_of(row),
            room=row.in_flight_limit,
            now=now,
            lease=self.lease,
        )
        if decision.quota <= 0:
            later = now + timedelta(seconds=LOOK_AGAIN)
            raise Wait(f"Waits: {decision.reason}.", min(decision.look_again or later, later))
        if decision.trial:
            Integration.objects.filter(pk=row.pk).update(
                circuit=decision.trial.circuit, circuit_until=decision.trial.until
            )
        return decision.quota

    def permit(self) -> None:
        """Take a permit of the integration's rate, maybe after a short wait; raise Wait for a long one."""
        rate, key = self.sync.integration.rate, self.sync.integration.pk
        while not self.limiter.take(key, rate):
            reset = self.limiter.free(key, rate)[1]
            wait = max(0.005, reset - time.time())
            if wait > WAIT_HERE or time.monotonic() + wait > self.deadline:
                until = timezone.now() + timedelta(seconds=wait)
                raise Wait("Waits: the integration's rate limit is reached.", until)
            time.sleep(wait)

    def settle(self, calls: Sequence[Call], rejected: Sequence[RejectedRow] = ()) -> None:
        """Write progress, log and rejected rows; part of the transaction that writes the outcome."""
        leases.settle(self.run, self.lease, timezone.now())
        RejectedRow.objects.bulk_create(rejected)
        log.write(self._entry(call) for call in calls)

    def follow_up(self, calls: Sequence[Call]) -> None:
        """After the commit: let the integration's state follow, and raise Failed for the first failure."""
        if calls and needs_update(self.sync.integration, calls):
            update_integration(self.sync.integration_id, calls, timezone.now())
        for call in calls:
            if call.error is not None and call.failed:
                raise Failed(call.error)

    def write_failure(self, call: Call, error: IntegrationError) -> NoReturn:
        """Log a call from which nothing came, and raise Failed."""
        with transaction.atomic():
            self.settle([call])
        self.follow_up([call])
        raise Failed(error)

    def show(self, changes: Iterable[tuple[str, str, Any, Any]]) -> None:
        """Keep what a dry run would do, (key, kind, before, after), for the first rows of the run."""
        room = SHOWN - self._shown
        rows = [
            RunChange(run=self.run, key=key[:200], kind=kind, before=before, after=after)
            for key, kind, before, after in islice(changes, max(0, room))
        ]
        RunChange.objects.bulk_create(rows)
        self._shown += len(rows)

    def reject(self, key: str, reason: str, row: Any) -> RejectedRow:
        """Return the row, unsaved, that says what was not taken and why."""
        return RejectedRow(run=self.run, key=key[:200], reason=reason[:MAX_REASON], row=row)

    def _entry(self, call: Call) -> log.Entry:
        error = call.error
        return log.Entry(
            self.sync.organization_id,
            self.sync.integration_id,
            LogKind.SYNC,
            error.kind if error else "ok",
            call.message,
            hint=error.hint if error else "",
            action=call.action,
            item_id=self.run.pk,
            attempt=self.run.tries + 1,
            status_code=error.status if error else None,
            duration_ms=call.duration_ms,
            exchanges=call.exchanges,
            created_at=call.finished_at,
        )


def own_fault(bug: Exception) -> TransientError:
    """Return what the admin is told of a fault in the hub's or a provider's code."""
    return TransientError(
        f"Interchange's own code failed here ({type(bug).__name__}).",
        hint="This is a fault of the hub: please report it with the time of this entry.",
    )
