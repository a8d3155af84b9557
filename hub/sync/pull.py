"""From an integration into records, page by page: pages, their cursor and counts in one transaction.

While pages are written the next ones are read already (``ahead.py``); ``taking.py`` says what a row makes of
a record.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from hub.sync import again
from hub.sync.ahead import Got, Reader
from hub.sync.models import Sync, SyncRun
from hub.sync.signals import page_read
from hub.sync.taking import take
from hub.sync.work import Call, Work, own_fault
from integrations.base.errors import IntegrationError
from integrations.base.http import Exchange
from integrations.base.provider import Pull
from integrations.base.results import Page

logger = logging.getLogger(__name__)

#: An incremental pull looks back so much further: clocks differ, and what is written is not seen at once.
OVERLAP = timedelta(minutes=2)


def run(work: Work) -> bool:
    """Read pages until the slice is over; return whether there are more. Raise Wait, Failed or Lost."""
    source = _pull_of(work)
    if earlier := work.run.retry_of:
        return again.run(work, source, earlier)
    work.room()
    with Reader(work, partial(_fetch, work, source), work.run.cursor) as reader:
        while got := reader.take():
            pages = [one.page for one in got if one.page is not None]
            if pages:
                _settle(work, source, pages, [one.call for one in got if one.page is not None])
            if got[-1].page is None:
                work.write_failure(got[-1].call, got[-1].call.error or own_fault(RuntimeError()))
            if not pages[-1].next_cursor:
                return False
            if work.stopped():
                return True
            reader.hold_if_wanted()
    return True


def finish(work: Work) -> None:
    """Let the next incremental pull begin where this run began."""
    run = work.run
    if run.started_at and not (run.dry_run or run.filter or run.retry_of_id):
        since = run.started_at - OVERLAP
        Sync.objects.filter(pk=work.sync.pk).update(read_until=since)


def _pull_of(work: Work) -> Pull:
    provider = work.connection.provider
    found = next((pull for pull in provider.pulls if pull.name == work.sync.action), None)
    if found is None:
        raise KeyError(f"{provider.name} has nothing to read named {work.sync.action!r}.")
    return found


def _fetch(work: Work, source: Pull, cursor: str) -> Got:
    """Ask for one page; called in the reader's thread."""
    began, exchanges = time.perf_counter(), list[Exchange]()
    page, error = None, None
    context = work.connection.context(f"hub_sync_{work.run.pk.hex}", now=timezone.now(), exchanges=exchanges)
    try:
        page = source.read(context, cursor or None, work.run.since)
    except IntegrationError as refused:
        refused.mask(work.connection.redactor.text)
        error = refused
    except Exception as bug:  # a fault in a provider's code must not end the worker's thread
        logger.exception("Sync run %s failed in our own code", work.run.pk)
        error = own_fault(bug)
    took = int((time.perf_counter() - began) * 1000)
    message = error.message if error else f"Read {len(page.rows) if page else 0} rows."
    return Got(Call(source.name, message, took, timezone.now(), error, exchanges, context.http.wait), page)


def _settle(work: Work, source: Pull, pages: Sequence[Page], calls: Sequence[Call]) -> None:
    run = work.run
    with transaction.atomic():
        rejected = take(work, [row for page in pages for row in page.rows], source)
        run.rejected += len(rejected)
        run.cursor = pages[-1].next_cursor or ""
        run.tries, run.message = 0, ""
        work.settle(calls, rejected)
    work.follow_up(calls)
    for page in pages:
        last = not page.next_cursor
        page_read.send_robust(SyncRun, run=run, source=source.name, rows=page.rows, last=last)
