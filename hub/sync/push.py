"""To an integration: what it does not have as it is, in batches, row by row accounted for.

A step finds some changed records, makes inputs of them, sends several batches at once, and settles them
together; while one is sent, the next is found and made. Nothing of that is sent before the former came to
an end, so that a key's changes keep their order. Where a batch fails in a way that may pass, the cursor
stays before its first record; what came through beside it is linked, so it is not sent again. The
idempotency key of a batch is the same whenever the same run sends the same rows.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from django.db import connections, transaction
from django.utils import timezone
from pydantic import BaseModel

from hub.delivery.inputs import InputError, build_input
from hub.lib.compact import compact
from hub.lib.insert import Insert
from hub.sync.changes import Changed, Found, count, find
from hub.sync.models import DeletePolicy, ExternalLink, SyncRun
from hub.sync.work import Admission, Call, Wait, Work, own_fault
from integrations.base.errors import IntegrationError, PermanentError, Rejected
from integrations.base.http import Exchange
from integrations.base.provider import Action, Context, Outcome
from integrations.base.results import Result

_LINKED = Insert(
    ExternalLink,
    *("record_id", "integration_id", "external_id", "fingerprint", "recipe", "sent", "sent_at", "error"),
    "base",
    once=("record_id", "integration_id"),
    overwrite=("external_id", "fingerprint", "recipe", "sent", "sent_at", "error", "base"),
)
_REFUSED = Insert(
    ExternalLink,
    *("record_id", "integration_id", "error"),
    once=("record_id", "integration_id"),
    overwrite=("error",),
)
_KEPT = Insert(
    ExternalLink,
    *("record_id", "integration_id", "fingerprint"),
    once=("record_id", "integration_id"),
    overwrite=("fingerprint",),
)
#: Left out by the filter; deleted in the hub, and by the policy kept there; waits for a person's decision.
SKIPPED, KEPT, ASKED = "skipped", "kept", "asked"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Row:
    """A changed record on its way: what is sent, and what came of it.

    ``outcome``: a Result, an error, ``SKIPPED``, ``KEPT``, ``ASKED``, or None as long as nobody knows.
    """

    record: Changed
    action: Action | None = None
    input: BaseModel | None = None
    outcome: Outcome | str | None = None

    @property
    def settled(self) -> bool:
        """Whether another try would change nothing."""
        return isinstance(self.outcome, Result | str | PermanentError)


@dataclass(slots=True)
class Step:
    """Some records on their way; ``calls`` are made by the courier's thread, or were made here."""

    cursor: int
    found: Found
    rows: list[Row]
    calls: "Future[list[Call]] | list[Call]"


def run(work: Work) -> bool:
    """Send until nothing is left, or the slice is over; return whether there is more.

    Raise Wait, Failed or Lost.
    """
    if work.run.total is None:
        work.run.total = _total(work.run)
    current: Step | None = _begin(work, int(work.run.cursor or 0))
    more = True
    while current is not None:
        go_on = current.found.more and not work.late
        following = _begin(work, current.found.end) if go_on and _pipelined(current) else None
        again = _settle(work, current, _calls(current))
        more = again or current.found.more
        if again and not work.late:
            work.stuck = False
            current = _begin(work, int(work.run.cursor))
        elif following is not None:
            current = following
        elif go_on and not work.stopped():
            current = _begin(work, current.found.end)
        else:
            current = None
        if following is not None and work.stopped():
            work.deadline = 0.0  # what is on its way is settled, and nothing more begun
    return more


def _total(run: SyncRun) -> int:
    return run.retry_of.rejected_rows.count() if run.retry_of else count(run.sync.type)


def _begin(work: Work, cursor: int) -> Step:
    """Find what comes after ``cursor``, and send it; by the courier where several calls may go at once."""
    run = work.run
    action = work.connection.provider.action(work.sync.action)
    room = 1 if run.dry_run else work.room()
    found = find(run, recipe_of(work), cursor, _batch_size(action) * room)
    rows = [_prepare(work, action, record) for record in found.rows]
    sent = [] if run.dry_run else [row for row in rows if row.outcome is None]
    if room == 1 or not sent:
        return Step(cursor, found, rows, _send_all(work, sent, room) if sent else [])
    return Step(cursor, found, rows, work.courier.submit(_send_all, work, sent, room))


def _pipelined(step: Step) -> bool:
    return isinstance(step.calls, Future)


def _calls(step: Step) -> list[Call]:
    return step.calls.result() if isinstance(step.calls, Future) else step.calls


def recipe_of(work: Work) -> str:
    """Name the way in which records are sent now: with another action or mapping they go out again."""
    parts = [work.sync.action, work.rules]
    return blake2b(compact(parts, sort=True), digest_size=8).hexdigest()


def _batch_size(action: Action) -> int:
    return max(1, action.batch_size) if action.run_many else 1


def _prepare(work: Work, action: Action, record: Changed) -> Row:
    envelope = record.envelope(work.sync.type.name)
    if work.filter is not None and not work.passes(envelope.as_dict()):
        return Row(record, outcome=SKIPPED)
    if record.in_conflict:
        return Row(record, outcome=ASKED)
    rules = work.rules
    if record.deleted:
        if work.sync.delete_policy == DeletePolicy.KEEP or not (record.held or record.external_id):
            return Row(record, outcome=KEPT)
        action = work.connection.provider.action(work.sync.delete_action)
        rules = work.sync.delete_mapping.rules if work.sync.delete_mapping else None
    try:
        return Row(record, action, build_input(action, rules, envelope))
    except InputError as error:
        return Row(record, action, outcome=error.as_permanent())


def _send_all(work: Work, rows: Sequence[Row], room: int) -> list[Call]:
    """Send the rows, as many batches at once as may be; return the calls that were made.

    Where something came to no end ``work.stuck`` says so, and no later step is sent.
    """
    if work.stuck:
        return []
    calls: list[Call] = []
    try:
        _send_batches(work, list(_batches(rows)), room, calls)
    except Wait:
        if not calls:
            raise
        # What was sent is settled first.
    finally:
        work.stuck = any(row.outcome is None or not row.settled for row in rows)
    return calls


def _send_batches(work: Work, waiting: list[list[Row]], room: int, calls: list[Call]) -> None:
    work.held = None
    while waiting and not any(call.failed for call in calls):
        now, waiting = waiting[:room], waiting[room:]
        if len(now) == 1:
            calls += _send(work, now[0])
        else:
            for made in work.threads.map(lambda batch: _send_in_thread(work, batch), now):
                calls += made
        if work.held:
            raise work.held


def _batches(rows: Sequence[Row]) -> Iterable[list[Row]]:
    """Part rows into batches of one action each, in their order."""
    batch: list[Row] = []
    for row in rows:
        full = batch and (batch[0].action is not row.action or len(batch) >= _batch_size(_action(batch)))
        if full:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _action(batch: Sequence[Row]) -> Action:
    action = batch[0].action
    if action is None:
        raise ValueError("A row without an action is not sent.")
    return action


def _send_in_thread(work: Work, batch: Sequence[Row]) -> list[Call]:
    try:
        return _send(work, batch)
    finally:
        connections.close_all()


def _send(work: Work, batch: Sequence[Row]) -> list[Call]:
    """Send one batch and write down what came of each row.

    Where the provider refuses the batch as a whole, its halves are sent by themselves: a bad row
    fails alone. A batch that found no permit is left as it is; ``work.held`` says what it waits for.
    """
    try:
        call = _call(work, batch)
    except Wait as wait:
        work.held = wait
        return []
    if not isinstance(call.error, PermanentError):
        return [call]
    if len(batch) == 1:
        batch[0].outcome = call.error
        return [call]
    calls, middle = [call], len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        calls += _send(work, half)
        if work.held or calls[-1].failed:
            break
    return calls


def _call(work: Work, batch: Sequence[Row]) -> Call:
    began = time.perf_counter()
    exchanges: list[Exchange] = []
    context = work.connection.context(_key(work, batch), now=timezone.now(), exchanges=exchanges)
    context.http.admit = admission = Admission(work)
    try:
        error = _deliver(work, batch, context)
    except Wait:
        raise
    except IntegrationError as refused:
        refused.mask(work.connection.redactor.text)
        error = refused
    except Exception as bug:  # a fault in a provider's code must not undo what other batches did
        logger.exception("Sync run %s failed in our own code", work.run.pk)
        error = own_fault(bug)
    took = int((time.perf_counter() - began - admission.waited) * 1000)
    told = error.message if error else _told(batch)
    return Call(_action(batch).name, told, took, timezone.now(), error, exchanges, context.http.wait)


def _deliver(work: Work, batch: Sequence[Row], context: Context) -> IntegrationError | None:
    action = _action(batch)
    if action.run_many:
        return _take(work, batch, action.run_many(context, [row.input for row in batch]))
    return _take(work, batch, [action.run(context, batch[0].input)])


def _take(work: Work, batch: Sequence[Row], outcomes: Sequence[Outcome]) -> IntegrationError | None:
    """Give each row its outcome; return the first error that another try may mend."""
    again: IntegrationError | None = None
    for row, outcome in zip(batch, outcomes, strict=True):
        row.outcome = outcome
        if isinstance(outcome, IntegrationError):
            outcome.mask(work.connection.redactor.text)
            if not isinstance(outcome, PermanentError):
                again = again or outcome
    return again


def _told(batch: Sequence[Row]) -> str:
    refused = sum(isinstance(row.outcome, IntegrationError) for row in batch)
    return f"Sent {len(batch)}: {len(batch) - refused} accepted, {refused} refused."


def _key(work: Work, batch: Sequence[Row]) -> str:
    marks = [[row.record.id, row.record.fingerprint] for row in batch]
    return f"hub_sync_{blake2b(orjson.dumps([work.run.pk, marks]), digest_size=16).hexdigest()}"


def _settle(work: Work, step: Step, calls: Sequence[Call]) -> bool:
    """Write what came of the rows, and how far the run is; return whether some have to be sent again."""
    dry, rows = work.run.dry_run, step.rows
    stuck = None if dry else next((row for row in rows if not row.settled), None)
    upto = stuck.record.id - 1 if stuck else step.found.end
    passed = [row for row in rows if row.record.id <= upto]
    ahead = [row for row in rows if row.record.id > upto and isinstance(row.outcome, Result)]
    refused = [row for row in passed if isinstance(row.outcome, PermanentError)]
    with transaction.atomic():
        if dry:
            work.show(shown for row in passed if (shown := _dry(row)))
        else:
            _link(work, [*passed, *ahead], refused)
        for row in (*passed, *ahead):
            _count(work, row)
        _move_on(work, step.cursor, upto, len(passed), len(ahead))
        work.settle(calls, [work.reject(row.record.key, _reason(row), row.record.data) for row in refused])
    work.follow_up(calls)
    return stuck is not None


def _dry(row: Row) -> tuple[str, str, Any, Any] | None:
    """What would be sent of a row, beside what was sent last."""
    record = row.record
    if row.outcome == ASKED:
        return record.key, "conflict", record.sent, record.data
    if row.outcome is not None:
        return None
    sent = None if record.deleted or row.input is None else _sent(row.input)
    kind = "deleted" if record.deleted else "updated" if record.external_id else "created"
    return record.key, kind, record.sent, sent


def _move_on(work: Work, cursor: int, upto: int, passed: int, ahead: int) -> None:
    run = work.run
    if not run.retry_of_id:
        same = count(work.sync.type, cursor, upto) - passed
        counted = min(run.ahead, same)
        run.unchanged += same - counted
        run.ahead += ahead - counted
    run.cursor = str(upto)
    if upto > cursor:
        run.tries, run.message = 0, ""


def _count(work: Work, row: Row) -> None:
    run, outcome = work.run, row.outcome
    if isinstance(outcome, PermanentError):
        run.rejected += 1
    elif isinstance(outcome, str):
        run.skipped += 1
    elif row.record.deleted:
        run.deleted += 1
    elif row.record.external_id:
        run.updated += 1
    else:
        run.created += 1


def _link(work: Work, settled: Sequence[Row], refused: Sequence[Row]) -> None:
    """Keep what the integration holds now, and why it refused something."""
    now, recipe, target = timezone.now(), recipe_of(work), work.sync.integration_id
    _LINKED.run([_linked(work, row, recipe, now) for row in settled if isinstance(row.outcome, Result)])
    _REFUSED.run([(row.record.id, target, _reason(row)) for row in refused])
    # A deleted record that is kept there is looked at once, not in every run.
    kept = [(row.record.id, target, row.record.fingerprint) for row in settled if row.outcome == KEPT]
    _KEPT.run(kept)


def _linked(work: Work, row: Row, recipe: str, now: datetime) -> tuple[Any, ...]:
    record, target = row.record, work.sync.integration_id
    given = row.outcome.external_id if isinstance(row.outcome, Result) else ""
    external_id = given or record.external_id
    if record.deleted and work.sync.delete_policy == DeletePolicy.DELETE:
        external_id = ""
    sent = _sent(row.input) if row.input else None
    return record.id, target, external_id[:200], record.fingerprint, recipe, sent, now, "", record.data


def _sent(data: BaseModel) -> dict[str, Any]:
    return data.model_dump(mode="json", exclude_unset=True)


def _reason(row: Row) -> str:
    """Why a row was refused, with the fields that the provider named."""
    error = row.outcome
    if not isinstance(error, IntegrationError):
        return ""
    fields = error.fields.items() if isinstance(error, Rejected) else ()
    named = "; ".join(f"{name}: {why}" for name, why in fields if why not in error.message)
    return f"{error.message} {named}".strip()[:1000]
