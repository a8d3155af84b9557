"""Slots: how many deliveries of an integration this worker may have under way.

An integration's limit holds over all workers together. To ask the database at each delivery would cost
more than the delivery; so a worker reserves slots of an integration before it claims for it, and keeps
them while there is work. What all hold of one integration is never more than its limit: whoever writes
here is alone, and counts what the others hold by then. Rows end by themselves, by the database's clock, so
that a worker that died holds its part no longer than ``LASTS``; a worker that could not renew its own in
time starts nothing on them.
"""

import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.functions import Now

from hub.connections.models import Integration
from hub.delivery import beats
from hub.delivery.models import WorkerSlots
from hub.lib.together import one_writer

#: Seconds for which slots are reserved, from one renewal to the next, and for which their holder trusts
#: them: somewhat less, for it began to count before the database did.
LASTS, RENEW_EVERY, TRUSTED = 15.0, 5.0, 13.0
#: Seconds until a worker that got none asks again, or one that gives some up looks whether they are free.
AGAIN = 0.9
#: Renewals without any work after which slots are given up: what has work now and then keeps them.
IDLE = 2
#: The number of the lock; nobody else may use it.
_LOCK = 0x68756273
#: One after the other, each seeing what the one before wrote: therefore a statement of its own. A worker
#: that is stopped in the middle must not stop all others: the database ends what lies idle.
_ALONE = f"""
    SELECT set_config('lock_timeout', '5s', true),
        set_config('idle_in_transaction_session_timeout', '3s', true), pg_advisory_xact_lock({_LOCK})
"""


@dataclass(slots=True, eq=False)
class Slots:
    """A worker's slots of one integration. Only the coordinator changes them; threads read."""

    granted: int = 0
    #: When they are to be trusted no more, monotonic.
    until: float = 0.0
    #: What the row says: more than was granted while more is still under way. None: there is no row.
    written: int | None = None
    ask_at: float = 0.0
    #: Renewals since there was work.
    idle: int = 0

    @property
    def now(self) -> int:
        """How many deliveries may be under way now."""
        return self.granted if time.monotonic() < self.until else 0


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for one integration: ``limit`` is that of all workers; ``more`` than before, or not."""

    limit: int
    under_way: int
    more: bool


class Lane(Protocol):
    """What a renewal looks at."""

    @property
    def running(self) -> int:
        """How many deliveries are under way."""

    @property
    def backlog(self) -> int:
        """How many wait for a thread."""


class Reserve:
    """All the slots of one worker."""

    def __init__(self, owner: str, most: int):
        """``owner``: the worker's name; ``most``: more of one integration its threads cannot use."""
        # Names of machines can be long and cut: two workers that share one must not share slots.
        self.holder = f"{owner}/{uuid4().hex[:12]}"
        self.most = most
        self._slots: dict[UUID, Slots] = {}
        self._renew_at = 0.0
        self._count, self._count_at = 1, 0.0

    def of(self, integration_id: UUID) -> Slots:
        """Return the slots of an integration; there may be none in them."""
        found = self._slots.get(integration_id)
        if found is None:
            found = self._slots[integration_id] = Slots()
        return found

    def lacks(self, integration_id: UUID) -> bool:
        """Whether it is time to ask for slots."""
        slots = self._slots.get(integration_id)
        if slots is None:
            return True
        now = time.monotonic()
        return (not slots.granted or now >= slots.until) and now >= slots.ask_at

    def ask(self, asks: Mapping[UUID, Ask]) -> None:
        """Reserve what can be had, for all of them in one transaction."""
        for key in asks:
            # One renewal keeps the row also of who gets none, so that the others see that it waits.
            self.of(key).idle = -1
        self._write(asks, [])

    # --- keep and give up ------------------------------------------------------------------

    def due(self) -> bool:
        """Whether it is time to renew."""
        return time.monotonic() >= self._renew_at

    def renew(self, lanes: Mapping[UUID, Lane]) -> None:
        """Keep what there is work for, in fair parts, and give up the rest; who has none does nothing."""
        held = {key: slots for key, slots in self._slots.items() if slots.written is not None}
        soon = False
        if held:
            asks, idle = self._look(held, lanes)
            self._write(asks, idle)
            # What is only held for what is under way is to be free as soon as that is over.
            soon = any((slots.written or 0) > slots.granted for slots in held.values())
        self._renew_at = time.monotonic() + (AGAIN if soon else RENEW_EVERY)

    def end(self) -> None:
        """Give up all: nothing is under way any more."""
        for slots in self._slots.values():
            slots.granted, slots.written = 0, None
        WorkerSlots.objects.filter(holder=self.holder).delete()

    def _look(
        self, held: Mapping[UUID, Slots], lanes: Mapping[UUID, Lane]
    ) -> tuple[dict[UUID, Ask], list[UUID]]:
        """Return what to ask for, and which are given up."""
        limits = _limits(held)
        asks, idle = {}, []
        for key, slots in held.items():
            lane = lanes.get(key)
            running, backlog = (lane.running, lane.backlog) if lane else (0, 0)
            slots.idle = 0 if running or backlog else slots.idle + 1
            if not running and (key not in limits or slots.idle > (IDLE if slots.granted else 0)):
                idle.append(key)
            else:
                full = backlog > 0 and running >= slots.granted
                asks[key] = Ask(limits.get(key, 0), running, more=full)
        return asks, idle

    # --- the table -------------------------------------------------------------------------

    def _write(self, asks: Mapping[UUID, Ask], idle: Collection[UUID]) -> None:
        began, workers = time.monotonic(), self._workers()
        for key in idle:
            # Less counts at once, more when it is committed: nobody knows of a commit without an answer.
            self._slots[key].granted = 0
        with one_writer(), transaction.atomic():
            _be_alone()
            others = self._others(asks)
            parts = {key: self._part(key, ask, others[key], workers) for key, ask in asks.items()}
            for key, part in parts.items():
                self.of(key).granted = min(self.of(key).granted, part)
            # Never less than what is under way.
            counts = {key: max(part, asks[key].under_way) for key, part in parts.items()}
            self._save({key: count for key, count in counts.items() if self._is_news(key, count, began)})
            if idle:
                WorkerSlots.objects.filter(holder=self.holder, integration_id__in=idle).delete()
        for key in idle:
            self._slots[key].written = None
        for key, part in parts.items():
            slots = self.of(key)
            if self._is_news(key, counts[key], began):
                slots.until = began + TRUSTED
            slots.granted, slots.written, slots.ask_at = part, counts[key], began + AGAIN

    def _workers(self) -> int:
        """Return how many workers there are, as of a moment ago: it is for fairness only."""
        now = time.monotonic()
        if now >= self._count_at:
            self._count, self._count_at = beats.alive().count(), now + RENEW_EVERY
        return self._count

    def _others(self, keys: Iterable[UUID]) -> dict[UUID, list[int]]:
        """Return what the other workers hold; one that holds nothing wants some."""
        found: dict[UUID, list[int]] = defaultdict(list)
        rows = WorkerSlots.objects.filter(integration_id__in=list(keys), until__gt=Now())
        for key, count in rows.exclude(holder=self.holder).values_list("integration_id", "count"):
            found[key].append(count)
        return found

    def _part(self, key: UUID, ask: Ask, others: list[int], workers: int) -> int:
        """Return how many this worker may have: its fair part, as far as that is free.

        At first it leaves their parts to all workers there are; then, so that little of the limit is
        left unused, only one to each of those who have not asked for any: they can begin at once.
        """
        slots = self.of(key)
        sharers = len(others) + 1
        absent = max(0, workers - sharers)
        fair = max(1, -(-ask.limit // (sharers + absent)))
        if slots.written is not None:
            fair = max(fair, -(-ask.limit // sharers) - absent)
        most = max(0, min(fair, self.most, ask.limit - sum(others)))
        return most if ask.more else min(most, slots.granted)

    def _is_news(self, key: UUID, count: int, now: float) -> bool:
        """Whether the row must be written: who asks in vain each second need not say so each time."""
        slots = self.of(key)
        return slots.written != count or count > 0 or now >= slots.until - RENEW_EVERY

    def _save(self, counts: Mapping[UUID, int]) -> None:
        until = ExpressionWrapper(Now() + timedelta(seconds=LASTS), output_field=DateTimeField())
        rows = [
            WorkerSlots(holder=self.holder, integration_id=key, count=count, until=until)
            for key, count in counts.items()
        ]
        WorkerSlots.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["integration_id", "holder"],
            update_fields=["count", "until"],
        )


def forget() -> None:
    """Remove the rows of workers that died; and those that a clock set back made endless.

    Not those that were over just now: their worker may be writing them.
    """
    some = timedelta(seconds=4 * LASTS)
    WorkerSlots.objects.filter(Q(until__lt=Now() - some) | Q(until__gt=Now() + some)).delete()


def forget_dead(name: str) -> None:
    """Remove the rows of workers of this machine that are no more, where their processes can be seen.

    ``name``: this worker's; theirs differ in the process. So one that is started anew begins at once, and
    not when the rows of the killed one end.
    """
    machine = f"{name.rpartition(':')[0]}:"
    holders = set(WorkerSlots.objects.filter(holder__startswith=machine).values_list("holder", flat=True))
    dead = [each for each in holders if not _lives(int(each[len(machine) :].partition("/")[0]))]
    if dead:
        WorkerSlots.objects.filter(holder__in=dead).delete()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        # Another user's is there, though it may not be told anything.
        return isinstance(error, PermissionError)
    return True


def limit_of(integration: Integration) -> int:
    """Return the limit of all workers together; 0 where the provider's code is gone."""
    try:
        return integration.in_flight_limit
    except KeyError:
        return 0


def _limits(keys: Iterable[UUID]) -> dict[UUID, int]:
    """Return the limits as they are now, of those that still exist."""
    rows = Integration.objects.only("max_in_flight", "provider_slug").in_bulk(list(keys))
    return {key: limit_of(row) for key, row in rows.items()}


def _be_alone() -> None:
    """Be the only one who counts and writes until the transaction ends."""
    if connection.vendor == "sqlite":
        # It has no such lock: the first statement that writes is it.
        WorkerSlots.objects.filter(until__lt=Now()).delete()
        return
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
