"""From an integration into records, page by page: a page, its cursor and its counts in one transaction.

A row is matched with the record that its id is linked to, else by the type's key field. The mapped fields
are put over the record's own. While a page is written the next one is read already.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from hub.lib.insert import Insert
from hub.mapping.engine import MappingError, map_event
from hub.mapping.expressions import ExpressionError, compile_expression, is_true
from hub.sync.models import ExternalLink, Record, RejectedRow, Sync, Winner
from hub.sync.records import Given, RecordError, at, check, fingerprint, read_row, upsert
from hub.sync.work import Call, Wait, Work, own_fault
from integrations.base.errors import IntegrationError
from integrations.base.http import Exchange
from integrations.base.provider import Pull
from integrations.base.results import Page

logger = logging.getLogger(__name__)

#: An incremental pull looks back so much further: clocks differ, and what is written is not seen at once.
OVERLAP = timedelta(minutes=2)

_READ = Insert(
    ExternalLink,
    *("record_id", "integration_id", "external_id", "fingerprint", "recipe", "read", "read_at"),
    once=("record_id", "integration_id"),
    overwrite=("external_id", "fingerprint", "recipe", "read", "read_at"),
)


@dataclass(slots=True)
class Got:
    """A page that was asked for, or why it did not come, and the call that it cost."""

    call: Call
    page: Page | None = None


@dataclass(slots=True)
class Known:
    """What the hub had of a row's record before."""

    key: str
    data: dict[str, Any] = field(repr=False)
    fingerprint: str
    deleted: bool
    link: ExternalLink | None = None

    @property
    def unsent(self) -> bool:
        """Whether the hub changed it since the integration was told."""
        return (
            self.link is not None
            and bool(self.link.fingerprint)
            and self.link.fingerprint != self.fingerprint
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read and mapped, with what it makes of the record."""

    external_id: str
    mapped: dict[str, Any] = field(repr=False)
    given: Given
    held: str


def run(work: Work) -> bool:
    """Read pages until the slice is over; return whether there are more. Raise Wait, Failed or LostRun."""
    source = _pull_of(work)
    got = _read(work, source, work.run.cursor)
    while True:
        if got.page is None:
            work.write_failure(got.call, got.call.error or own_fault(RuntimeError()))
        following = got.page.next_cursor or ""
        late = time.monotonic() >= work.deadline
        ahead = None if late or not following else _read_ahead(work, source, following)
        _settle(work, got.page, got.call)
        if not following:
            return False
        if ahead is None or work.stopped():
            return True
        got = ahead.result()


def finish(work: Work) -> None:
    """Let the next incremental pull begin where this run began."""
    if not work.run.dry_run and not work.run.filter and work.run.started_at:
        since = work.run.started_at - OVERLAP
        Sync.objects.filter(pk=work.sync.pk).update(read_until=since)


def _pull_of(work: Work) -> Pull:
    provider = work.connection.provider
    found = next((pull for pull in provider.pulls if pull.name == work.sync.action), None)
    if found is None:
        raise KeyError(f"{provider.name} has nothing to read named {work.sync.action!r}.")
    return found


def _read_ahead(work: Work, source: Pull, cursor: str) -> "Future[Got] | None":
    try:
        work.room()
        work.permits(1)
    except Wait:
        return None
    return work.threads.submit(_read_in_thread, work, source, cursor)


def _read_in_thread(work: Work, source: Pull, cursor: str) -> Got:
    try:
        return _fetch(work, source, cursor)
    finally:
        connections.close_all()


def _read(work: Work, source: Pull, cursor: str) -> Got:
    work.room()
    work.permits(1)
    return _fetch(work, source, cursor)


def _fetch(work: Work, source: Pull, cursor: str) -> Got:
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
    return Got(Call(source.name, message, took, timezone.now(), error, exchanges), page)


def _settle(work: Work, page: Page, call: Call) -> None:
    run = work.run
    with transaction.atomic():
        rejected = _take(work, page.rows)
        run.rejected += len(rejected)
        run.cursor = page.next_cursor or ""
        run.tries, run.message = 0, ""
        work.settle([call], rejected)
    work.follow_up([call])


def _take(work: Work, raw_rows: Sequence[Mapping[str, Any]]) -> list[RejectedRow]:
    """Write what a page brings, and count it; return the rows that are not taken."""
    rejected, mapped = _map_all(work, raw_rows)
    known_ids = _by_external_id(work.sync, [external_id for external_id, _ in mapped])
    known_keys = _by_key(work.sync, [_key_of(work.sync, row) for _, row in mapped])
    rows: dict[str, Row] = {}
    for external_id, data in mapped:
        known = known_ids.get(external_id) or known_keys.get(_key_of(work.sync, data))
        try:
            row = _decide(work, external_id, data, known)
        except RecordError as error:
            rejected.append(work.reject(external_id or _key_of(work.sync, data), str(error), data))
            continue
        if row is None:
            work.run.skipped += 1
            continue
        if row.given.key in rows:
            work.run.unchanged += 1  # the same record twice on one page: the latter counts
        rows[row.given.key] = row
    _write(work, list(rows.values()), {**known_keys, **{one.key: one for one in known_ids.values()}})
    return rejected


def _map_all(
    work: Work, raw_rows: Sequence[Mapping[str, Any]]
) -> tuple[list[RejectedRow], list[tuple[str, dict[str, Any]]]]:
    rejected: list[RejectedRow] = []
    mapped: list[tuple[str, dict[str, Any]]] = []
    for raw in raw_rows:
        external_id = _plain(_search(work.sync.id_path, raw))
        try:
            data = (
                dict(raw) if work.rules is None else map_event(work.rules, {"id": external_id, "data": raw})
            )
        except MappingError as error:
            rejected.append(work.reject(external_id, str(error), dict(raw)))
            continue
        if is_true(_search(work.sync.deleted_path, raw)):
            data = {**data, _GONE: True}
        mapped.append((external_id[:200], data))
    return rejected, mapped


#: Marks a row of something that was deleted there; no field can have this name.
_GONE = "\x00deleted"


def _decide(work: Work, external_id: str, data: dict[str, Any], known: Known | None) -> Row | None:
    """Return what a row makes of its record, or None where it is left alone; raise RecordError."""
    sync = work.sync
    gone = bool(data.pop(_GONE, False))
    key = known.key if known else ""
    given = read_row(sync.type, data, key=key, merged_later=True)
    facts = {"id": external_id, "type": sync.type.name, "key": given.key, "data": data}
    if not work.passes(facts) or (gone and known is None):
        return None
    if known and _stays(sync, known, data, gone):
        return None
    whole = {**known.data, **data} if known else data
    if not gone:
        check(sync.type, whole)
    mark = fingerprint(whole, deleted=gone)
    # Fields that only the hub has are not there yet: the record is still to be sent.
    complete = gone or whole == data or (known and known.link and known.link.fingerprint == known.fingerprint)
    return Row(external_id, data, Given(given.key, whole, gone), mark if complete else "")


def _stays(sync: Sync, known: Known, data: Mapping[str, Any], gone: bool) -> bool:
    """Whether a record of the hub stays as it is, whatever was read."""
    if gone:
        return known.deleted
    if known.deleted and known.link is not None:
        # Deleted in the hub, and nothing new over there.
        return known.link.read is None or known.link.read == data
    return sync.wins == Winner.HUB and known.unsent


def _write(work: Work, rows: Sequence[Row], known: Mapping[str, Known]) -> None:
    run, sync = work.run, work.sync
    if run.dry_run:
        for row in rows:
            _count_dry(work, row, known.get(row.given.key))
        return
    counts = upsert(sync.type, [row.given for row in rows], origin=sync.integration)
    gone = sum(row.given.deleted and row.given.key in counts.changed for row in rows)
    run.created += counts.created
    run.updated += counts.updated - gone
    run.deleted += gone
    run.unchanged += counts.unchanged
    keys = [row.given.key for row in rows]
    ids = dict(Record.objects.filter(type=sync.type, key__in=keys).values_list("key", "pk"))
    now = timezone.now()
    links = [
        (ids[row.given.key], sync.integration_id, row.external_id, row.held, "", row.mapped, now)
        for row in rows
    ]
    _READ.run(sorted(links, key=lambda link: link[0]))


def _count_dry(work: Work, row: Row, known: Known | None) -> None:
    run = work.run
    if known is None:
        run.created += 1
    elif known.fingerprint == fingerprint(row.given.data, deleted=row.given.deleted):
        run.unchanged += 1
    elif row.given.deleted:
        run.deleted += 1
    else:
        run.updated += 1


def _by_external_id(sync: Sync, ids: Sequence[str]) -> dict[str, Known]:
    wanted = [one for one in ids if one]
    links = ExternalLink.objects.select_related("record").filter(
        integration=sync.integration_id, external_id__in=wanted, record__type=sync.type
    )
    return {link.external_id: _known(link.record, link) for link in links}


def _by_key(sync: Sync, keys: Sequence[str]) -> dict[str, Known]:
    records = {row.pk: row for row in Record.objects.filter(type=sync.type, key__in=[k for k in keys if k])}
    links = ExternalLink.objects.filter(integration=sync.integration_id, record__in=records)
    by_record = {link.record_id: link for link in links}
    return {row.key: _known(row, by_record.get(row.pk)) for row in records.values()}


def _known(record: Record, link: ExternalLink | None) -> Known:
    return Known(record.key, record.data, record.fingerprint, record.deleted, link)


def _key_of(sync: Sync, data: Mapping[str, Any]) -> str:
    return _plain(at(data, sync.type.key_field))[:200]


@lru_cache(maxsize=512)
def _expression(path: str) -> Any:
    return compile_expression(path)


def _search(path: str, row: Mapping[str, Any]) -> Any:
    if not path:
        return None
    try:
        return _expression(path).search(row)
    except ExpressionError:
        return None


def _plain(value: Any) -> str:
    return "" if value is None or isinstance(value, bool | dict | list) else str(value).strip()
