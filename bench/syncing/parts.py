"""``python -m bench.within bench.syncing.parts``: the parts of one run, in a process with Django set up.

Writes one JSON object a line: {"part": name, …figures}. Everything goes through what a worker runs.
"""

import io
import os
import resource
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import orjson
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from hub.accounts.models import Organization
from hub.connections.models import Credential, Integration
from hub.mapping.models import FieldMapping
from hub.sync.importing import CSV, import_rows
from hub.sync.models import Direction, ExternalLink, RecordType, RunState, Sync, SyncRun
from hub.sync.push import recipe_of
from hub.sync.run import run_until_idle
from hub.sync.starting import start, start_due
from hub.sync.work import Work

ROWS = int(os.environ.get("ROWS", "1000000"))
CHANGED = min(100_000, ROWS)
PULLED = min(100_000, ROWS)
LIMIT = 20
SCHEDULES = min(100_000, ROWS)
FAR = os.environ.get("HUB_SANDBOX_URL", "")


class Lines(io.RawIOBase):
    """A CSV file that is made while it is read: it takes no memory and no disk."""

    def __init__(self, count: int, mark: str):
        self._parts = self._make(count, mark)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and (part := next(self._parts, None)):
            self._left += part
        given, self._left = self._left[:size], self._left[size:]
        return given

    def _make(self, count: int, mark: str) -> Iterator[bytes]:
        yield b"email,first_name,last_name,company,phone,job_title\n"
        for begin in range(0, count, 500):
            yield "".join(
                f"person{n}@example.com,First{n},Last{n},Company {n % 997} {mark},+49 30 {n:08},Engineer\n"
                for n in range(begin, min(begin + 500, count))
            ).encode()


@contextmanager
def measured(part: str, rows: int, **more: Any) -> Iterator[dict[str, Any]]:
    """Time what is done to ``rows`` rows, and write the line."""
    told: dict[str, Any] = dict(more)
    began, used = time.perf_counter(), time.process_time()
    yield told
    took, cpu = time.perf_counter() - began, time.process_time() - used
    told = {
        "part": part,
        "rows": rows,
        "seconds": round(took, 2),
        "rows_per_second": round(rows / took),
        "cpu_us_per_row": round(cpu / rows * 1e6, 1),
        **told,
    }
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
    sys.stdout.flush()


def far(path: str, body: bytes | None = None) -> dict[str, Any]:
    """Ask the far side something about itself."""
    with urllib.request.urlopen(f"{FAR}{path}", body, timeout=30) as answer:  # noqa: S310
        return dict(orjson.loads(answer.read()))


def main() -> None:
    """All parts in their order; each needs what those before it left."""
    call_command("migrate", verbosity=0)
    owner = Organization.objects.create(name="Bench", slug="bench")
    person = RecordType.objects.create(organization=owner, name="person", key_field="email")
    push = _sync(person, Direction.PUSH, "contact.upsert")
    _import(person)
    _hold_everything(push)
    _again(push, ROWS, "unchanged re-run")
    _import_changed(person)
    _push(push, "push", CHANGED)
    _limited(push)
    _pull(_sync(RecordType.objects.create(organization=owner, name="far", key_field="email"), Direction.PULL))
    _schedules(push)


def _sync(kind: RecordType, direction: Direction, action: str = "contacts") -> Sync:
    integration = Integration.objects.create(
        organization=kind.organization,
        provider_slug="hubspot",
        name=f"CRM of {kind.name}",
        slug=f"crm-{kind.name}",
        sandbox=True,
        rate_count=1_000_000,
        rate_seconds=1,
    )
    Credential.objects.create(integration=integration, secrets={"access_token": "only-for-the-benchmark"})
    mapping = None
    if direction == Direction.PULL:
        rules = [
            {"source": "data.properties.email", "target": "email"},
            {"source": "data.properties.firstname", "target": "first_name"},
            {"source": "data.properties.lastname", "target": "last_name"},
        ]
        mapping = FieldMapping.objects.create(
            organization=kind.organization, name="In", slug=f"in-{kind.name}", rules=rules
        )
    return Sync.objects.create(
        organization=kind.organization,
        name=f"{direction} {kind.name}",
        slug=f"{direction}-{kind.name}",
        type=kind,
        integration=integration,
        direction=direction,
        action=action,
        mapping=mapping,
    )


def _import(person: RecordType) -> None:
    with measured("import", ROWS) as told:
        report = import_rows(person, Lines(ROWS, "a"), CSV)
        told["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _check(report.created == ROWS, report)
    _analyze()
    with measured("import again, unchanged", ROWS):
        report = import_rows(person, Lines(ROWS, "a"), CSV)
    _check(report.unchanged == ROWS, report)


def _import_changed(person: RecordType) -> None:
    with measured("import of changed rows", CHANGED):
        report = import_rows(person, Lines(CHANGED, "b"), CSV)
    _check(report.updated == CHANGED, report)


def _hold_everything(push: Sync) -> None:
    """Write down that the integration has every record as it is, as a push of all would."""
    work = Work(SyncRun(sync=push), push, None, 60, 0)  # type: ignore[arg-type]
    columns = "record_id, integration_id, external_id, fingerprint, recipe, error"
    integration = push.integration_id.hex if connection.vendor == "sqlite" else str(push.integration_id)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ExternalLink._meta.db_table} ({columns}) "  # noqa: S608
            "SELECT id, %s, key, fingerprint, %s, '' FROM sync_record WHERE type_id = %s",
            [integration, recipe_of(work), push.type_id],
        )
    _analyze()


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _again(sync: Sync, rows: int, part: str) -> None:
    with measured(part, rows):
        run = _run(sync)
    _check(run.unchanged == rows, run.__dict__)


def _push(push: Sync, part: str, rows: int) -> None:
    far("/_reset", b"0")
    with measured(part, rows, batch=100, wait_ms=50) as told:
        run = _run(push)
        told |= _of(far("/_seen"), "calls", "repeated")
    _check(run.updated == rows and far("/_seen")["rows"] == rows, run.__dict__)


def _limited(push: Sync) -> None:
    """The limit is kept to the call: neither more of them in any second, nor much fewer."""
    rows = LIMIT * 100 * 5
    if rows > ROWS:
        return
    import_rows(push.type, Lines(rows, "c"), CSV)
    Integration.objects.filter(pk=push.integration_id).update(rate_count=LIMIT, rate_seconds=1)
    far("/_reset", b"0")
    with measured("push within a limit", rows, limit_per_second=LIMIT) as told:
        run = _run(push)
        seen = far("/_seen")
        told |= _of(seen, "calls", "most_in_a_second")
        # What the limit allows at the least time, after those that may go at once, of the time it took.
        told["limit_used"] = round((seen["calls"] / LIMIT - 1) / seen["span"], 2)
    _check(run.updated == rows, run.__dict__)


def _pull(pull: Sync) -> None:
    far("/_reset", str(PULLED).encode())
    began = time.perf_counter()
    with measured("pull", PULLED, page=100, wait_ms=20) as told:
        run = _run(pull)
        spent = time.perf_counter() - began
        pages = far("/_seen")["pages"]
        told |= {"pages": pages, "times_the_providers": round(spent / (pages * 0.02), 2)}
    _check(run.created == PULLED, run.__dict__)


def _schedules(push: Sync) -> None:
    """One look among very many schedules, of which few are due."""
    now = timezone.now()
    later = now + timedelta(days=1)
    fields = {"organization": push.organization, "integration": push.integration, "type": push.type}
    Sync.objects.bulk_create(
        (
            Sync(name="s", slug=f"s{n}", direction="push", cron="0 6 * * *", next_run_at=later, **fields)
            for n in range(SCHEDULES)
        ),
        batch_size=2000,
    )
    _analyze()
    due = Sync.objects.filter(slug__in=[f"s{n}" for n in range(10)])
    due.update(next_run_at=now)
    with measured("schedules: 10 due", 10, of=SCHEDULES):
        begun = start_due(now)
    _check(begun == 10, begun)
    looks = 50
    with measured("schedules: nothing due", looks, of=SCHEDULES):
        for _ in range(looks):
            start_due(now)


def _run(sync: Sync) -> SyncRun:
    run = start(sync)
    while True:
        run_until_idle()
        run.refresh_from_db()
        if run.state not in (RunState.PENDING, RunState.RUNNING):
            break
        time.sleep(max(0.0, min(0.05, (run.due_at - timezone.now()).total_seconds())))
    _check(run.state == RunState.COMPLETED, run.__dict__)
    return run


def _of(told: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: told[name] for name in names}


def _check(good: Any, told: Any) -> None:
    if not good:
        raise RuntimeError(f"Not what it should have come to: {told}")


if __name__ == "__main__":
    if profile := os.environ.get("BENCH_PROFILE"):
        import cProfile

        cProfile.run("main()", profile)
    else:
        main()
