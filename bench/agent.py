"""The hand of a run inside a hub: ``python -m bench.within bench.agent`` answers line by line.

A request is ``{"do": name, …arguments}``, an answer ``{"ok": value}`` or ``{"error": text}``. It uses
what applications and admins use: the intake, the services and the domain verbs of the models.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from bench import aged, crowd
from bench.payload import TYPE, order
from bench.peers import bare_celery, task_per_delivery
from bench.peers.tuned import remove_keys
from hub.accounts.models import APIKey, Organization, Scope
from hub.connections.models import Integration
from hub.connections.service import save_integration
from hub.delivery import store
from hub.delivery.models import IntegrationLog, LogKind, QueueItem, State
from hub.delivery.wake import wake
from hub.events.intake import Draft, accept_events
from hub.events.models import Event, Route
from webhooks.models import ReceivedWebhook
from webhooks.service import create_endpoint

#: What an admin sets for a destination that takes what it gets.
OPTIONS = {"rate_count": 1_000_000, "rate_seconds": 1, "max_in_flight": 1000, "batch_size": 200}
SECRET = "whsec_YmVuY2htYXJrLWJlbmNobWFyay1iZW5jaG1hcms="
CHUNK = 500
PEERS = {"task": task_per_delivery, "bare": bare_celery}


class Agent:
    """What can be asked for; each public method is a command."""

    def __init__(self) -> None:
        self.commits: list[float] = []
        self.numbers: Iterator[int] = iter(range(1, 1 << 60))
        _note_commits(self.commits)

    def prepare(self, sink_port: int) -> dict[str, Any]:
        """Make the tables and what the runs need; return the API key and the webhook's path."""
        _make_tables()
        self.organization = Organization.objects.create(name="Bench", slug="bench")
        for name, path in (("fast", "/"), ("slow", "/slow"), ("parked", "/")):
            row = save_integration(
                self.organization,
                "http",
                name=name,
                slug=name,
                auth_key="",
                values={"url": f"http://127.0.0.1:{sink_port}{path}"},
                options={**OPTIONS, "allowed_hosts": [f"127.0.0.1:{sink_port}"]},
            )
            row.pause("The benchmark holds it.")
            # Two routes for what the ingest runs send: one event makes two queue items.
            for number in range(2 if name == "parked" else 1):
                Route.objects.create(
                    organization=self.organization,
                    name=f"{name} {number}",
                    slug=f"{name}-{number}",
                    type_pattern=f"{TYPE}.{name}",
                    integration=row,
                    action="http.send",
                )
        _, key = APIKey.issue(self.organization, "bench", [Scope.EVENTS_WRITE])
        endpoint = create_endpoint(self._integration("parked"), "Bench", {"verification_key": SECRET})
        endpoint.rate_per_minute = 0
        endpoint.save()
        return {"key": key, "webhook": endpoint.path, "secret": SECRET}

    def preload(self, name: str, count: int) -> None:
        """Accept ``count`` events for the integration ``name``, and let the database know its tables."""
        drafts = [self._draft(name) for _ in range(count)]
        for start in range(0, count, CHUNK):
            accept_events(self.organization, drafts[start : start + CHUNK])
        self._analyse()

    def _analyse(self) -> None:
        """Let PostgreSQL know its tables, as autovacuum has done in a hub that has run for a while."""
        with connection.cursor() as cursor:
            postgres = connection.vendor == "postgresql"
            for model in (QueueItem, Event, IntegrationLog) if postgres else ():
                cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")

    def release(self, name: str) -> float:
        """Resume the integration and wake the workers; return the moment before."""
        before = time.monotonic()
        self._integration(name).resume()
        wake()
        return before

    def hold(self, name: str) -> None:
        """Pause the integration."""
        self._integration(name).pause("The benchmark holds it.")

    def wait(self, name: str, seconds: float) -> dict[str, Any]:
        """Wait until nothing is left to deliver, or ``seconds`` passed; tell what became of it."""
        row = self._integration(name).pk
        end = time.monotonic() + seconds
        while self._left(row) and time.monotonic() < end:
            time.sleep(0.01)
        ended = time.monotonic()
        items = QueueItem.objects.filter(integration_id=row)
        return {
            "ended": ended,
            "completed": items.filter(state=State.COMPLETED).count(),
            "left": items.exclude(state=State.COMPLETED).count(),
            "logged": IntegrationLog.objects.filter(integration_id=row, kind=LogKind.DELIVERY).count(),
        }

    def clear(self) -> None:
        """Remove all events, items and logs."""
        for model in (IntegrationLog, QueueItem, Event, ReceivedWebhook):
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute(f"TRUNCATE {model._meta.db_table}")
                else:
                    model.objects.all()._raw_delete(using="default")

    def crowd(self, call: str, **arguments: Any) -> Any:
        """Do something with many integrations; see ``bench.crowd``."""
        if call in ("make", "fill"):
            arguments["organization"] = self.organization
        if call == "fill":
            arguments["draw"] = self._draft
        answer = getattr(crowd, call)(**arguments)
        if call == "fill":
            self._analyse()
        return answer

    def accept(self, name: str, per_second: float, seconds: float) -> list[tuple[int, float]]:
        """Accept events at a steady rate, each in a transaction; return (number, moment of its commit)."""
        return self.accept_in_turns([name], per_second, seconds)

    def accept_in_turns(self, names: list[str], per_second: float, seconds: float) -> list[tuple[int, float]]:
        """The same for several integrations, one after the other."""
        accepted = []
        started = time.monotonic()
        for turn in range(int(per_second * seconds)):
            time.sleep(max(0.0, started + turn / per_second - time.monotonic()))
            draft = self._draft(names[turn % len(names)])
            called = time.monotonic()
            self.commits.clear()
            accept_events(self.organization, [draft])
            accepted.append((draft.data["n"], self.commits[0] if self.commits else called))
        return accepted

    def counted(self) -> dict[str, int]:
        """Return how many events, items and received webhooks there are."""
        models: tuple[Any, ...] = (Event, QueueItem, ReceivedWebhook)
        return {model._meta.model_name: model.objects.count() for model in models}

    def push(self, peer: str, queue: str, count: int, url: str) -> None:
        """Put ``count`` messages for a peer into its queue; those of waiting items where it has rows."""
        if peer == "task":
            waiting = QueueItem.objects.filter(state=State.PENDING).order_by("id")
            task_per_delivery.push(
                queue, [(str(pk), url) for pk in waiting.values_list("pk", flat=True)[:count]]
            )
        else:
            bare_celery.push(queue, [(url, order(next(self.numbers))) for _ in range(count)])

    def consume(self, peer: str, queue: str) -> float:
        """Let a peer's worker begin with ``queue``; return the moment before."""
        before = time.monotonic()
        PEERS[peer].app.control.add_consumer(queue)
        return before

    def purge(self) -> None:
        """Remove what the peers left in the broker."""
        remove_keys()

    def age(self, state: str, first: int, count: int) -> None:
        """Fill the queue with items that are finished for long, or due much later (PostgreSQL)."""
        aged.fill(self._integration("parked"), State(state), first, count)

    def aged(self, state: str) -> int:
        """Return how many of them are left."""
        return aged.left(self._integration("parked"), State(state))

    def oldest(self, state: str) -> str:
        """Return the key of the first of them."""
        return aged.oldest(self._integration("parked"), State(state))

    def claims(self, name: str, seconds: float) -> list[float]:
        """Claim and give back again and again; return how long each claim took, in seconds."""
        self.preload(name, CHUNK)
        row, took, end = self._integration(name).pk, [], time.monotonic() + seconds
        while time.monotonic() < end:
            before = time.monotonic()
            items = store.claim(row, 50, "bench", 60, timezone.now())
            took.append(time.monotonic() - before)
            store.give_back(items)
            time.sleep(0.005)
        return took

    def _draft(self, name: str) -> Draft:
        return Draft(type=f"{TYPE}.{name}", data=order(next(self.numbers)))

    def _integration(self, name: str) -> Integration:
        return Integration.objects.get(organization=self.organization, slug=name)

    def _left(self, row: UUID) -> bool:
        items = QueueItem.objects.filter(integration_id=row)
        return items.filter(state=State.PENDING).exists() or items.filter(state=State.PROCESSING).exists()


def _make_tables() -> None:
    """Make the tables from the models, and note the migrations as done: they would make the same one
    after the other, in ten times as long.
    """
    migrations = settings.MIGRATION_MODULES
    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", interactive=False, verbosity=0, run_syncdb=True)
    settings.MIGRATION_MODULES = migrations
    call_command("migrate", interactive=False, verbosity=0, fake=True)


def _note_commits(commits: list[float]) -> None:
    """Note when each transaction of this process is committed, whoever in it commits."""
    commit: Callable[[Any], Any] = BaseDatabaseWrapper._commit

    def noting(self: Any) -> Any:
        answer = commit(self)
        commits.append(time.monotonic())
        return answer

    BaseDatabaseWrapper._commit = noting


def main() -> None:
    """Answer until the input ends."""
    agent = Agent()
    for entry in sys.stdin:
        request = json.loads(entry)
        try:
            answer = {"ok": getattr(agent, request.pop("do"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
