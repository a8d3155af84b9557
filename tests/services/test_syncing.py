"""Two workers at once on PostgreSQL, and kill -9 again and again in the middle of a run, either direction."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hub.mapping.models import FieldMapping
from hub.sync.models import Direction, ExternalLink, Record, RecordType, RunState, Sync, SyncRun
from hub.sync.records import Given, upsert
from hub.sync.starting import start
from tests.factories import IntegrationFactory, RecordTypeFactory
from tests.hub.running import short_home, wait_until
from tests.hub.sync.far_sides import SalesforceOrg
from tests.servers import serving
from tests.services.workers import environment

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

ROWS, KILLS = 3000, 2
FINISHED = (RunState.COMPLETED, RunState.FAILED)


@pytest.fixture
def people(transactional_db: None) -> RecordType:
    return RecordTypeFactory(name="person", key_field="id")


def sync(people: RecordType, direction: Direction, action: str, **rules: str) -> Sync:
    integration = IntegrationFactory(
        organization=people.organization,
        provider_slug="salesforce",
        auth_key="client_credentials",
        settings={"my_domain": "acme.my.salesforce.com", "client_id": "3MVG9_test"},
        sandbox=True,
        quick_delay=0,
        rate_count=1000,
        rate_seconds=1,
        max_in_flight=2,
        credential__secrets={"client_secret": "0" * 64},
    )
    mapping = FieldMapping.objects.create(
        organization=people.organization,
        name="m",
        slug="m",
        rules=[{"source": source, "target": target} for target, source in rules.items()],
    )
    return Sync.objects.create(
        organization=people.organization,
        name="s",
        slug="s",
        type=people,
        integration=integration,
        direction=direction,
        action=action,
        mapping=mapping,
        id_path="Id",
    )


@contextmanager
def two_workers(port: int) -> Iterator[Callable[[int], None]]:
    """Run two workers; yield what kills one of them, in turn, and starts another in its place."""
    with short_home() as home:
        env = environment(home, HUB_SANDBOX_URL=f"http://127.0.0.1:{port}", HUB_LEASE_SECONDS="2")

        def begin() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "django", "worker"]
            return subprocess.Popen(command, env=env, start_new_session=True)

        workers = [begin(), begin()]

        def kill(turn: int) -> None:
            os.killpg(workers[turn % 2].pid, signal.SIGKILL)
            workers[turn % 2].wait()
            workers[turn % 2] = begin()

        try:
            yield kill
        finally:
            for worker in workers:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()


def run_through_kills(org: SalesforceOrg, one: Sync, calls: int) -> SyncRun:
    """Run it while whoever has it is killed, each time after so many further calls; return the run."""
    with serving(org) as server, two_workers(server.port) as kill:
        run = start(one)
        killed = 0
        while killed < KILLS:
            wanted = org.calls + calls
            wait_until(lambda wanted=wanted: org.calls >= wanted, "calls to the provider", 90)
            run.refresh_from_db()
            assert run.state not in FINISHED, "It was over before anybody was killed."
            kill(killed)
            kill(killed + 1)
            killed += 1
        wait_until(lambda: SyncRun.objects.get().state in FINISHED, "the run to end", 120)
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED, run.message
    return run


def test_each_change_is_at_the_provider_once(people: RecordType) -> None:
    org = SalesforceOrg(wait=0.2)
    push = sync(
        people,
        Direction.PUSH,
        "contact.upsert",
        email="join('', [data.id, '@example.com'])",
        last_name="data.name",
    )
    upsert(people, [Given(f"n{n}", {"id": f"n{n}", "name": f"N{n}"}) for n in range(ROWS)])
    run = run_through_kills(org, push, calls=3)
    assert (run.created, run.done, run.rejected) == (ROWS, ROWS, 0)
    assert set(org.records) == {f"n{n}@example.com" for n in range(ROWS)}
    # What nobody knew the end of came again under the same key, and was the same.
    assert all(len(told) == 1 for told in org.told.values())
    assert sum(org.writes.values()) - ROWS <= KILLS * 2 * 2 * 200
    linked = dict(ExternalLink.objects.values_list("external_id", "record__fingerprint"))
    assert set(linked) == {record["Id"] for record in org.records.values()}
    assert not ExternalLink.objects.filter(fingerprint="").exists()


def test_each_row_is_taken_once(people: RecordType) -> None:
    org = SalesforceOrg(wait=0.2, page=100)
    for n in range(ROWS):
        org.records[str(n)] = {"Id": f"003{n:012}", "LastName": f"N{n}", "Number": str(n)}
    pull = sync(people, Direction.PULL, "contacts", id="data.Number", name="data.LastName")
    run = run_through_kills(org, pull, calls=5)
    assert (run.created, run.done, run.rejected) == (ROWS, ROWS, 0)
    assert Record.objects.count() == ROWS == ExternalLink.objects.exclude(external_id="").count()
