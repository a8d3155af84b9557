"""Kill -9 in the middle of a run, then two workers at once: every change arrives once, none is lost."""

import dataclasses
import json
import multiprocessing
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from hub.sync.ahead import AHEAD
from hub.sync.models import ExternalLink, Record, RunState, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.run import run_until_idle
from hub.sync.starting import start
from integrations.base.provider import Context
from integrations.base.results import Page, Result
from tests.hub.sync.conftest import Crm, Person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(100)]

COUNT = 120
#: Calls after which the first worker is killed.
MIDDLE = 6
fork = multiprocessing.get_context("fork")


@pytest.fixture
def journal(crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """What reached the provider, whichever process sent it: a line per call."""
    settings.HUB = dataclasses.replace(settings.HUB, lease_seconds=1)
    path = tmp_path / "journal"
    path.touch()

    def write(*entry: object) -> None:
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(entry).encode() + b"\n")
        time.sleep(0.02)

    def send(ctx: Context, people: Sequence[Person]) -> list[Any]:
        write(ctx.idempotency_key, [[person.id, person.name] for person in people])
        return [Result(external_id=person.id) for person in people]

    def read(ctx: Context, cursor: str | None, since: object) -> Page:
        begin = int(cursor or 0)
        write("read", begin)
        rows = [{"id": str(n), "name": f"N{n}"} for n in range(begin, begin + 5)]
        return Page(rows, str(begin + 5) if begin + 5 < COUNT else None)

    known = crm.provider()
    object.__setattr__(known.actions[0], "run_many", send)
    object.__setattr__(known.pulls[0], "read", read)
    monkeypatch.setattr("integrations.base.registry.providers", lambda: {"crm": known})
    return path


def calls(journal: Path) -> list[Any]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def worker(until: Callable[[], bool]) -> Any:
    """Start a process that works until ``until()``."""

    def work() -> None:
        while not until():
            run_until_idle()
            time.sleep(0.05)
        os._exit(0)

    connections.close_all()
    process = fork.Process(target=work)
    process.start()
    return process


def over() -> bool:
    return SyncRun.objects.get().state in (RunState.COMPLETED, RunState.FAILED)


def kill_in_the_middle_then_two_at_once(journal: Path) -> None:
    first = worker(over)
    deadline = time.monotonic() + 40
    while len(calls(journal)) < MIDDLE:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert SyncRun.objects.get().state == RunState.RUNNING
    others = [worker(over), worker(over)]
    for process in others:
        process.join(60)
        assert process.exitcode == 0
    assert SyncRun.objects.get().state == RunState.COMPLETED


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_push_sends_each_change_under_one_key(push: Sync, journal: Path, at_once: int):
    push.integration.max_in_flight = at_once
    push.integration.save()
    upsert(push.type, [Given(str(n), {"id": str(n), "name": f"N{n}"}) for n in range(COUNT)])
    start(push)
    kill_in_the_middle_then_two_at_once(journal)
    by_key: dict[str, list[Any]] = defaultdict(list)
    for key, rows in calls(journal):
        by_key[key].append(rows)
    # What was sent again, because nobody knew what came of it, was the same under the same key.
    assert all(rows == every[0] for every in by_key.values() for rows in every)
    arrived = sorted(row[0] for every in by_key.values() for row in every[0])
    assert arrived == sorted(str(n) for n in range(COUNT))
    run = SyncRun.objects.get()
    assert (run.created, run.done, ExternalLink.objects.count()) == (COUNT, COUNT, COUNT)


def test_a_pull_takes_each_row_once(pull: Sync, journal: Path):
    start(pull)
    kill_in_the_middle_then_two_at_once(journal)
    run = SyncRun.objects.get()
    assert (run.created, run.done, Record.objects.count()) == (COUNT, COUNT, COUNT)
    pages = [begin for _, begin in calls(journal)]
    # At most the pages that were being written and those read ahead meanwhile are asked for again.
    assert sorted(set(pages)) == list(range(0, COUNT, 5))
    assert len(pages) <= len(set(pages)) + 2 * AHEAD
