"""The worker's part: kept calls become events, each once, however often it is tried."""

import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db import DatabaseError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from hub.accounts.models import Organization
from hub.accounts.quotas import QuotaExceeded
from hub.delivery import log
from hub.delivery.models import LogKind
from hub.events.intake import Answers, Draft, IntakeError, Parcel, accept_events, accept_parcels
from hub.lib.outbound import OutboundError
from hub.lib.together import one_writer
from hub.sync.notices import told
from integrations.base.webhooks import Incoming, Notice, Refused, Webhook
from webhooks import fetching
from webhooks.calls import incoming_from_row
from webhooks.models import ReceivedWebhook
from webhooks.store import State, shortened

logger = logging.getLogger(__name__)
#: Seconds that a worker holds a call before another may take it.
LEASE = 120
#: Seconds before each further try; after the last the call has failed.
WAITS = (5, 30, 120, 600, 1800, 7200)
#: Events accepted in one transaction.
CHUNK = 500
#: Seconds after which what was read is kept, whatever else there is to read.
READ_WITHIN = 1.0
#: Longest subject that an event may have.
SUBJECT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


#: How the reason of a call begins that waits for its organization's quota.
HELD = "Held, nothing is lost."
#: The reason of a call without events.
NOTHING = "The call told of nothing that becomes an event."
#: As ``_write`` does, for many calls at once.
_SETTLE = """
    UPDATE webhooks_receivedwebhook
    SET state = 'processed', reason = %s, events = %s, processed_at = %s, lease_until = NULL
    WHERE id = %s AND state = 'received' AND attempts = %s
"""


class TryAgain(Exception):
    """The call could not be worked on just now; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A call and the events that it tells of; ``problems``: why it could not be read."""

    received: ReceivedWebhook
    drafts: list[Draft]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: ids of its events, and a sentence per notice that was not accepted."""

    events: list[str]
    problems: list[str]
    notices: int


def process_due(limit: int = 50) -> int:
    """Claim up to ``limit`` kept calls, make events of them, return how many were worked on."""
    claimed = _claim(limit)
    readings = (_read(received) for received in claimed)
    for group in _groups(reading for reading in readings if reading):
        for reading in _keep_together(group):
            _keep(reading)
    return len(claimed)


def _claim(limit: int) -> list[ReceivedWebhook]:
    """Take due calls for ``LEASE`` seconds; ``attempts`` is the fence that an older holder lacks.

    PostgreSQL locks the rows and skips those of others; on SQLite the transaction has the
    database to itself from its beginning, so that nothing is read in it but the keys.
    """
    now = timezone.now()
    due = _due(now).values_list("pk", "attempts")
    # Looks first without a transaction, so that an idle worker never takes SQLite's write lock.
    if not due.exists():
        return []
    with one_writer(), transaction.atomic():
        attempts = dict(due.select_for_update(skip_locked=True)[:limit])
        calls = ReceivedWebhook.objects.filter(pk__in=attempts)
        calls.update(attempts=F("attempts") + 1, lease_until=now + timedelta(seconds=LEASE))
    rows = calls.select_related("endpoint", "endpoint__integration", "organization").order_by("due_at", "id")
    for row in rows:
        # Ours, also where another worker has taken it since.
        row.attempts = attempts[row.pk] + 1
    return list(rows)


def _due(now: object) -> QuerySet[ReceivedWebhook]:
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    return ReceivedWebhook.objects.filter(free, state=State.RECEIVED, due_at__lte=now).order_by(
        "due_at", "id"
    )


@contextmanager
def _seen_to(received: ReceivedWebhook) -> Iterator[None]:
    """Write down why a call does not get through the block, and what comes of it."""
    try:
        yield
    except TryAgain as error:
        _try_again(received, str(error))
    except QuotaExceeded as error:
        # No fault of the call: it waits, however often, until there is room.
        _write(received, reason=f"{HELD} {error}"[:500], due_at=error.resets_at)
    except DatabaseError as error:
        _try_again(received, f"The database did not take the events ({type(error).__name__}).")
    except Exception as error:
        logger.exception("Received webhook %s could not be processed", received.pk)
        _fail(received, f"The hub could not work on this call ({type(error).__name__}: {error}).")


def _read(received: ReceivedWebhook) -> Reading | None:
    """Return what a call tells; None where it is seen to already."""
    with _seen_to(received):
        integration = received.endpoint.integration
        webhook = integration.provider.webhook
        if webhook is None:
            raise TryAgain("The provider of this integration declares no webhooks any more.")
        incoming = incoming_from_row(received, fetching.fetcher(integration))
        _follow_up(received, webhook, incoming)
        notices = _parse(received, webhook, incoming)
        if notices is None:
            unreadable = "the provider's code could not read the body; see the hub's log"
            return Reading(received, [], problems=(unreadable,))
        told(integration, notices)
        return Reading(received, [_draft(received, notice, at) for at, notice in enumerate(notices)])
    return None


def _groups(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    """Part the readings into groups of ``CHUNK`` events at most, in their order.

    What is fetched to read one may take long: the others are not held back until their lease ends.
    """
    group: list[Reading] = []
    began = time.monotonic()
    for reading in readings:
        full = sum(len(one.drafts) for one in [*group, reading]) > CHUNK
        if group and (full or time.monotonic() - began > READ_WITHIN):
            yield group
            group, began = [], time.monotonic()
        group.append(reading)
    if group:
        yield group


def _keep_together(group: Sequence[Reading]) -> list[Reading]:
    """Accept the events of several calls, and settle these, in one commit; return those to be kept alone.

    Two commits for each call would make those wait that bring new ones: SQLite takes one writer at a time.
    """
    plain = [one for one in group if not one.problems and len(one.drafts) <= CHUNK]
    parcels = [Parcel(one.received.organization, one.drafts, one.received.pk) for one in plain]
    try:
        answers = accept_parcels(parcels, origin="webhook", then=partial(_settle_together, plain))
    except Exception as error:  # whatever it is, each of them finds out alone
        logger.info("%s received webhooks are worked on one by one: %s", len(group), error)
        return list(group)
    kept = [one for one, answer in zip(plain, answers, strict=True) if not isinstance(answer, Exception)]
    return [one for one in group if one not in kept]


def _settle_together(readings: Sequence[Reading], answers: Answers) -> None:
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = []
    for one, answer in zip(readings, answers, strict=True):
        if not isinstance(answer, Exception):
            events = json.dumps([str(accepted.event_id) for accepted in answer])
            reason = "" if one.drafts else NOTHING
            rows.append((reason, events, now, one.received.pk, one.received.attempts))
    with connection.cursor() as cursor:
        cursor.executemany(_SETTLE, rows)


def _keep(reading: Reading) -> None:
    """Accept the events of one call, as many as can be, and settle it."""
    received, drafts = reading.received, reading.drafts
    with _seen_to(received):
        events: list[str] = []
        problems = list(reading.problems)
        for start in range(0, len(drafts), CHUNK):
            _accept(received, drafts[start : start + CHUNK], events, problems)
        _settle(received, Outcome(events, problems, len(drafts)))


def _follow_up(received: ReceivedWebhook, webhook: Webhook, incoming: Incoming) -> None:
    """Confirm a subscription by a GET, where the call asks for it."""
    url = webhook.follow_up(incoming) if webhook.follow_up else None
    if not url:
        return
    try:
        fetching.get(received.endpoint.integration, url)
    except OutboundError as error:
        raise TryAgain(f"The subscription could not be confirmed: {error}") from None
    log.record(
        received.endpoint.integration,
        LogKind.WEBHOOK,
        "ok",
        f"The provider's subscription to “{received.endpoint.name}” was confirmed.",
    )


def _parse(received: ReceivedWebhook, webhook: Webhook, incoming: Incoming) -> list[Notice] | None:
    """Return the notices, or None where the provider's code does not understand the body."""
    try:
        return webhook.parse(incoming)
    except OutboundError as error:
        raise TryAgain(f"Something the call names could not be fetched: {error}") from None
    except Refused as refused:
        logger.warning("Received webhook %s: %s", received.pk, refused)
    except Exception:
        logger.exception("Received webhook %s could not be parsed", received.pk)
    return None


def _draft(received: ReceivedWebhook, notice: Notice, number: int) -> Draft:
    """Return the event of a notice. The key is the provider's id, so that no repetition doubles it."""
    known = notice.id or f"call-{received.pk}-{number}"
    return Draft(
        type=notice.type,
        data=dict(notice.data),
        subject=_CONTROL.sub(" ", notice.subject)[:SUBJECT],
        source=f"/integrations/{received.endpoint.integration.slug}",
        time=notice.time,
        idempotency_key=shortened(f"webhook:{received.endpoint_id}:{known}"),
    )


def _accept(received: ReceivedWebhook, drafts: list[Draft], events: list[str], problems: list[str]) -> None:
    """Accept all together, or, where one is not accepted, one by one, so that no other is lost."""
    try:
        events += _take(received, drafts)
    except IntakeError:
        for draft in drafts:
            try:
                events += _take(received, [draft])
            except IntakeError as error:
                reasons = "; ".join(str(problem) for problem in error.problems)
                problems.append(f"{draft.type} was not accepted: {reasons}")


def _take(received: ReceivedWebhook, drafts: list[Draft]) -> list[str]:
    accepted = accept_events(received.organization, drafts, origin="webhook", webhook_id=received.pk)
    return [str(event.event_id) for event in accepted]


def _settle(received: ReceivedWebhook, outcome: Outcome) -> None:
    state = State.FAILED if outcome.problems else State.PROCESSED
    reason = ""
    if outcome.problems:
        reason = f"{len(outcome.events)} of {outcome.notices} notices became events; " + "; ".join(
            outcome.problems
        )
    elif not outcome.notices:
        reason = NOTHING
    _write(received, state=state, reason=reason[:500], events=outcome.events, processed_at=timezone.now())
    if outcome.problems:
        _log_failure(received, reason)


def _try_again(received: ReceivedWebhook, reason: str) -> None:
    if received.attempts > len(WAITS):
        _fail(received, f"{reason} All {received.attempts} tries are used up.")
        return
    due = timezone.now() + timedelta(seconds=WAITS[received.attempts - 1])
    _write(received, reason=f"{reason} It is tried again."[:500], due_at=due)


def release(organization: Organization) -> int:
    """Let the calls that were held for the organization's quota try again; return how many."""
    held = ReceivedWebhook.objects.filter(
        organization=organization,
        state=State.RECEIVED,
        due_at__gt=timezone.now(),
        reason__startswith=HELD,
    )
    return held.update(due_at=timezone.now())


def _fail(received: ReceivedWebhook, reason: str) -> None:
    _write(received, state=State.FAILED, reason=reason[:500], processed_at=timezone.now())
    _log_failure(received, reason)


def _write(received: ReceivedWebhook, **values: object) -> None:
    """Settle the call, unless its lease ran out and another worker has claimed it since."""
    held = ReceivedWebhook.objects.filter(pk=received.pk, state=State.RECEIVED, attempts=received.attempts)
    held.update(lease_until=None, **values)


def _log_failure(received: ReceivedWebhook, reason: str) -> None:
    log.record(
        received.endpoint.integration,
        LogKind.WEBHOOK,
        "failed",
        f"A webhook to “{received.endpoint.name}” did not become events: {reason}",
        hint="Mend the cause, then send the received webhook through again.",
    )
