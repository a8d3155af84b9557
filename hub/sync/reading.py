"""Reads one page of what an integration holds, on somebody's demand. Nothing is kept but the log.

The gate, the rate limit and the log are those of deliveries and syncs: reading burns the same
permits, and an integration that is held is not asked.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from hub.connections.client import Connection, open_connection
from hub.connections.models import Integration
from hub.delivery import log
from hub.delivery.gate import gate
from hub.delivery.models import LogKind
from hub.delivery.ratelimit import make_limiter
from hub.delivery.settlement import breaker_of, needs_update, update_integration
from hub.lib.keyring import KeyringError
from hub.sync.work import Call, own_fault
from integrations.base.errors import IntegrationError
from integrations.base.http import Exchange
from integrations.base.provider import Pull
from integrations.base.results import Page, Result

logger = logging.getLogger(__name__)


@dataclass
class Held(Exception):
    """The integration is not asked now; ``until``: when asking again makes sense, if it is known."""

    reason: str
    until: datetime | None = None


def pull_of(integration: Integration, name: str) -> Pull:
    """Return the pull with ``name``, or the first for an empty one; raise ValueError."""
    try:
        pulls = integration.provider.pulls
    except KeyError as error:
        raise ValueError(str(error.args[0])) from None
    found = next((pull for pull in pulls if name in ("", pull.name)), None)
    if found is not None:
        return found
    if not pulls:
        raise ValueError(f"{integration.provider.name} has nothing that could be read.")
    raise ValueError(f"There is no {name!r} to read; there are: {', '.join(pull.name for pull in pulls)}.")


def read_page(integration: Integration, pull: Pull, cursor: str | None, since: datetime | None) -> Page:
    """Return one page of ``pull``, secrets masked; raise Held, or the provider's IntegrationError, masked."""
    _admit(integration)
    try:
        connection = open_connection(integration)
    except (KeyError, KeyringError) as fault:
        raise Held(f"The integration cannot be used as it is: {fault}") from None
    page, call = _ask(connection, pull, cursor, since)
    error = call.error
    log.record(
        integration,
        LogKind.SYNC,
        error.kind if error else "ok",
        call.message,
        hint=error.hint if error else "",
        action=pull.name,
        status_code=error.status if error else None,
        duration_ms=call.duration_ms,
        exchanges=call.exchanges,
        created_at=call.finished_at,
    )
    if needs_update(integration, [call]):
        update_integration(integration.pk, [call], timezone.now())
    if page is None:
        raise error or own_fault(RuntimeError())
    rows = Result(data={"rows": page.rows}).masked(connection.redactor.text).data["rows"]
    return Page(rows, page.next_cursor)


def _admit(integration: Integration) -> None:
    now = timezone.now()
    decision = gate(
        status=integration.status,
        blocked_until=integration.blocked_until,
        breaker=breaker_of(integration),
        room=integration.in_flight_limit,
        now=now,
        lease=settings.HUB.lease_seconds,
    )
    if decision.quota <= 0 or decision.trial is not None:
        # The one try of a half-open circuit belongs to a delivery.
        reason = decision.reason or "circuit open"
        raise Held(f"The integration is held: {reason}.", decision.look_again)
    limiter, rate = make_limiter(), integration.rate
    if not limiter.take(integration.pk, rate):
        reset = limiter.free(integration.pk, rate)[1]
        raise Held("The integration's rate limit is reached.", datetime.fromtimestamp(reset, tz=now.tzinfo))


def _ask(
    connection: Connection, pull: Pull, cursor: str | None, since: datetime | None
) -> tuple[Page | None, Call]:
    began, exchanges = time.perf_counter(), list[Exchange]()
    page: Page | None = None
    error: IntegrationError | None = None
    context = connection.context(f"hub_read_{uuid4().hex}", exchanges=exchanges)
    try:
        page = pull.read(context, cursor, since)
    except IntegrationError as refused:
        refused.mask(connection.redactor.text)
        error = refused
    except Exception as bug:  # a fault in a provider's code must reach the caller as a sentence too
        logger.exception("Reading %s failed in our own code", pull.name)
        error = own_fault(bug)
    message = error.message if error else f"Read {len(page.rows) if page else 0} rows."
    took = int((time.perf_counter() - began) * 1000)
    return page, Call(pull.name, message, took, timezone.now(), error, exchanges, context.http.wait)
