"""What a worker does with an import. What a chunk of rows comes to is written in ONE transaction with the
import's progress, so one that is taken up again goes on after the rows that are settled."""

import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from django.db import connections, transaction
from django.db.models import Q
from django.utils import timezone

from hub.delivery.wake import wake_jobs
from hub.files.checking import Checked, check_rows, column_problems, taken
from hub.files.columns import shape
from hub.files.models import FileImport, ImportMapping, ImportState, RejectedFileRow
from hub.files.reading import MAX_ROWS, FileProblem, Row, read
from hub.files.store import forget
from hub.lib.held import Lost, take, write
from hub.lib.sentences import plural
from hub.sync.records import upsert

logger = logging.getLogger(__name__)

#: Rows of one transaction.
CHUNK = 2_000
#: Seconds that a worker holds an import without a word.
LEASE = 90
#: Rejected rows that are kept with their reasons; further ones are counted.
MAX_REJECTED = 100_000
OPEN = (ImportState.PENDING, ImportState.RUNNING)

_free = threading.Semaphore(1)


def begin(file: FileImport, *, remember: bool) -> list[str]:
    """Let a worker take the file up; return what keeps it from that, nothing where it began.

    ``remember``: the columns serve for the next file of this shape.
    """
    if problems := column_problems(file.type, file.columns):
        return problems
    names = [column["column"] for column in file.columns]
    with transaction.atomic():
        if remember:
            kept = {"columns": file.columns, "replace": file.replace, "organization": file.organization}
            named = {"name": file.name.rsplit(".", 1)[0][:120]}
            file.mapping, _ = ImportMapping.objects.update_or_create(
                kept, type=file.type, shape=shape(names), create_defaults={**kept, **named}
            )
        begun = FileImport.objects.filter(pk=file.pk, state=ImportState.UPLOADED).update(
            state=ImportState.PENDING, columns=file.columns, replace=file.replace, mapping=file.mapping
        )
    if not begun:
        return ["It began already."]
    transaction.on_commit(wake_jobs)
    return []


def cancel(file: FileImport) -> bool:
    """End an import; rows that are taken stay. Return whether that was possible."""
    waiting = FileImport.objects.filter(pk=file.pk, state__in=(*OPEN, ImportState.UPLOADED))
    done = waiting.update(state=ImportState.CANCELLED, finished_at=timezone.now())
    return bool(done)


def advance_due() -> int:
    """Take up an import in a thread of its own, one at a time; return how many. The worker's job."""
    if not _free.acquire(blocking=False):
        return 0
    file = claim()
    if file is None:
        _free.release()
        return 0
    threading.Thread(target=_in_thread, args=(file,), name="import", daemon=True).start()
    return 1


def run_until_idle() -> int:
    """Do every import that is due in this thread; return how many."""
    done = 0
    while file := claim():
        advance(file)
        done += 1
    return done


def claim() -> FileImport | None:
    """Take the import that waits longest, or one whose worker is gone."""
    now = timezone.now()
    free = Q(state=ImportState.PENDING) | Q(state=ImportState.RUNNING, lease_until__lt=now)
    due = FileImport.objects.filter(free)
    # Looks first without a transaction: SQLite would have nobody else write meanwhile.
    if not due.exists():
        return None
    with transaction.atomic():
        rows = due.select_for_update(skip_locked=True)
        file = rows.order_by("created_at").first()
        if file is None:
            return None
        take(file, LEASE, now)
    return file


def advance(file: FileImport) -> None:
    """Import the file to its end; whoever lost it writes nothing more."""
    try:
        _import(file)
        _finish(file, ImportState.COMPLETED, _summary(file))
    except FileProblem as problem:
        _finish(file, ImportState.FAILED, f"{problem} The rows before are taken.")
    except Lost:
        logger.info("Import %s was cancelled or taken over", file.pk)
    else:
        forget(file.pk)


def _in_thread(file: FileImport) -> None:
    try:
        advance(file)
        wake_jobs()
    except Exception:  # the lease ends, and a worker takes it up where it was settled
        logger.exception("Import %s stumbled; it goes on when its lease ends", file.pk)
    finally:
        _free.release()
        connections.close_all()


def _import(file: FileImport) -> None:
    table = read(file)
    columns = taken(file.columns, table.header)
    seen: set[int] = set()
    for number, rows in enumerate(_chunks(table.rows)):
        if (number + 1) * CHUNK > MAX_ROWS:
            raise FileProblem(f"A file may have {MAX_ROWS:,} rows.")
        # Of rows that are settled only the keys are noted.
        checked = check_rows(file.type, columns, rows, seen, replace=file.replace)
        if number * CHUNK >= file.cursor:
            _settle(file, checked)


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield rows by the chunk; what was read before the file broke off is yielded too."""
    while True:
        chunk: list[Row] = []
        try:
            chunk.extend(islice(rows, CHUNK))
        except FileProblem:
            if chunk:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk


def _settle(file: FileImport, checked: Sequence[Checked]) -> None:
    good = [one.given for one in checked if one.given is not None]
    bad = [one for one in checked if one.given is None]
    with transaction.atomic():
        counts = upsert(file.type, good)
        file.created += counts.created
        file.updated += counts.updated
        file.unchanged += counts.unchanged
        kept = max(0, MAX_REJECTED - file.rejected)
        RejectedFileRow.objects.bulk_create([_rejected(file, one) for one in bad[:kept]], batch_size=500)
        file.rejected += len(bad)
        file.cursor += len(checked)
        file.percent = max(file.percent, int(checked[-1].row.share * 99))
        file.lease_until = timezone.now() + timedelta(seconds=LEASE)
        _write(
            file,
            *("created", "updated", "unchanged", "rejected", "cursor", "percent", "lease_until"),
        )


def _rejected(file: FileImport, one: Checked) -> RejectedFileRow:
    return RejectedFileRow(file=file, line=one.row.line, reason=one.reason[:1000], cells=one.row.cells)


def _finish(file: FileImport, state: ImportState, message: str) -> None:
    file.state, file.message, file.finished_at = state, message[:1000], timezone.now()
    file.lease_until, file.percent = None, 100 if state == ImportState.COMPLETED else file.percent
    try:
        _write(file, "state", "message", "finished_at", "lease_until", "percent")
    except Lost:
        logger.info("Import %s was cancelled or taken over", file.pk)


def _summary(file: FileImport) -> str:
    if not file.done:
        return "The file has column names, but no rows."
    words = plural(file.rejected, "row was", "rows were")
    return f"{words} not taken." if file.rejected else "Every row was taken."


def _write(file: FileImport, *names: str) -> None:
    write(file, **{name: getattr(file, name) for name in names})
