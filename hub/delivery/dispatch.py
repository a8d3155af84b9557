"""The only delivery path: claim → send → settle.

One coordinator owns the database; a pool of threads sends. Claimed items wait in one lane per
integration; lanes take turns for the threads, so that a slow integration never holds up a fast
one. Outcomes are settled in batches, in one transaction with their log entries.
"""

import logging
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import close_old_connections
from django.utils import timezone

from hub.connections.client import Connection, open_connection
from hub.connections.models import Integration
from hub.delivery import divert, log, mending, sources, store
from hub.delivery.attempt import Attempt, Work, make_attempt
from hub.delivery.gate import fair_room, gate
from hub.delivery.models import LogKind, State
from hub.delivery.ratelimit import RateLimiter
from hub.delivery.settlement import breaker_of, needs_update, settlement_of, update_integration
from hub.delivery.signals import queue_items_settled
from hub.lib.keyring import KeyringError
from hub.mapping.models import FieldMapping

logger = logging.getLogger(__name__)

#: Seconds between two looks at the queue when nobody rings.
LOOK_EVERY = 1.0
#: Outcomes wait this long for company, so that one transaction settles many.
SETTLE_WITHIN = 0.02
SETTLE_AT = 100


@dataclass(slots=True)
class Lane:
    """One integration's claimed items in this worker."""

    integration: Integration
    connection: Connection
    #: What the connection was made of; another stamp means that somebody changed the integration.
    stamp: object
    waiting: deque[Work] = field(default_factory=deque)
    running: int = 0
    #: Seconds that the quickest of the latest answers took: how slow the provider is, not this machine.
    latency: float = float("inf")

    @property
    def busy(self) -> bool:
        """Whether anything is waiting or under way."""
        return bool(self.waiting) or self.running > 0


class Dispatcher:
    """Delivers what is due until told to stop."""

    def __init__(self, owner: str, *, threads: int, claim_size: int, lease: float, limiter: RateLimiter):
        """``owner`` names this worker in leases; ``lease`` in seconds."""
        self.owner = owner
        self.threads = threads
        self.claim_size = claim_size
        self.lease = lease
        self.limiter = limiter
        self.bell = threading.Event()
        self.lanes: dict[UUID, Lane] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="send")
        self._done: queue.SimpleQueue[Attempt] = queue.SimpleQueue()
        self._unsettled: list[Attempt] = []
        self._oldest_done = 0.0
        self._running = 0
        self._diverted = False
        self._emptied = True
        self._held: dict[UUID, store.Claimed] = {}
        self._extend_at = time.monotonic() + lease / 3
        self._look_at = 0.0
        #: What waited after the last claim, where that claim did not empty the queue; else 0.
        self._stock = 0

    def ring(self) -> None:
        """Somebody accepted something: look at once."""
        self._look_at = 0.0
        self.bell.set()

    @property
    def in_flight(self) -> int:
        """Deliveries under way."""
        return self._running

    def run(self, stop: threading.Event, after_turn: Callable[[], None] = lambda: None) -> None:
        """Deliver until ``stop`` is set; then see to it that nothing claimed is left behind.

        ``after_turn`` is called after every turn of the loop that did not fail.
        """
        while not stop.is_set():
            self.bell.clear()
            moved = self.step()
            after_turn()
            if not moved:
                self.bell.wait(self._pause())
        self.shut_down()

    def step(self) -> bool:
        """Settle, claim and start what can be; return whether anything moved."""
        settled = self._settle()
        self._extend_leases()
        claimed = self._claim() if self._wants_more() else 0
        started = self._start()
        return bool(settled or claimed or started)

    def run_until_idle(self) -> None:
        """Deliver until nothing is due any more and nothing is under way."""
        self._look_at = 0.0
        while self.step() or self._held or self._unsettled:
            self._look_at = 0.0
            if self._running:
                self.bell.wait(0.01)
                self.bell.clear()

    def shut_down(self, deadline: float = 20.0) -> None:
        """Give back what was not started, finish what is under way, settle it.

        What is still under way after ``deadline`` seconds keeps its lease: the sweeper returns it.
        """
        for lane in self.lanes.values():
            self._despite_the_database(partial(self._give_back, lane))
        ends = time.monotonic() + deadline
        self._collect()
        while (self._running or self._unsettled) and time.monotonic() < ends:
            if not self._despite_the_database(lambda: self._settle(everything=not self._running)):
                time.sleep(0.5)
            self.bell.wait(0.1 if self._running else 0)
            self.bell.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _despite_the_database(self, write: Callable[[], object]) -> bool:
        """Write; return False where the database does not answer, which must not end a stop half way."""
        try:
            write()
        except DatabaseFailure as error:
            logger.warning("The database does not answer while the worker stops: %s", error)
            close_old_connections()
            return False
        return True

    # --- claim ---------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        waiting = self._waiting()
        if self._stock and waiting <= self._stock // 2:
            return True
        return waiting <= self.claim_size // 2 and time.monotonic() >= self._look_at

    def _claim(self) -> int:
        now = timezone.now()
        due = store.lanes_with_due_items(now)
        self._look_at = time.monotonic() + LOOK_EVERY
        # Of the credential only its version, which tells whether the open connection is still right.
        rows = (
            Integration.objects.filter(pk__in=due)
            .select_related("credential")
            .defer("credential__secrets", "credential__tokens")
        )
        claimed: list[store.Claimed] = []
        self._emptied = True
        room = self.claim_size - self._waiting()
        # The lane with the least waiting goes first, so that nobody is starved of room.
        for integration in sorted(rows, key=self._backlog):
            if room <= len(claimed):
                self._emptied = False
                break
            claimed += self._claim_lane(integration, room - len(claimed), now)
        if claimed:
            self._load(claimed)
        self._stock = 0 if self._emptied else self._waiting()
        if self._diverted:
            self._look_at = 0.0
        moved, self._diverted = len(claimed) + self._diverted, False
        return moved

    def _claim_lane(self, integration: Integration, room: int, now: datetime) -> list[store.Claimed]:
        backlog = self._backlog(integration)
        # Half a batch or nothing: many small claims cost more than they bring.
        wanted = integration.batch_size - backlog if backlog <= integration.batch_size // 2 else 0
        decision = gate(
            status=integration.status,
            blocked_until=integration.blocked_until,
            breaker=breaker_of(integration),
            room=min(room, wanted),
            now=now,
            lease=self.lease,
        )
        if decision.divert and divert.to_next_target(integration, decision.reason, now):
            self._diverted = True
        if decision.look_again:
            self._look_by(decision.look_again.timestamp() - now.timestamp())
        # Opened before anything asks the provider's code, which may be gone.
        if decision.quota <= 0 or not self._open_lane(integration):
            return []
        quota = min(decision.quota, self._permits(integration, backlog, now))
        if quota <= 0:
            return []
        items = store.claim(integration.pk, quota, self.owner, self.lease, now)
        if len(items) == quota:
            self._emptied = False
        if items and decision.trial:
            Integration.objects.filter(pk=integration.pk).update(
                circuit=decision.trial.circuit, circuit_until=decision.trial.until
            )
        return items

    def _permits(self, integration: Integration, backlog: int, now: datetime) -> int:
        free, reset = self.limiter.free(integration.pk, integration.rate)
        if free <= backlog:
            self._look_by(max(0.01, reset - now.timestamp()))
        return free - backlog

    def _open_lane(self, integration: Integration) -> bool:
        """Have a lane with the integration as it is now; False where it cannot be opened at all."""
        credential = getattr(integration, "credential", None)
        stamp = (integration.updated_at, credential.version if credential else 0)
        lane = self.lanes.get(integration.pk)
        if lane is not None and lane.stamp == stamp:
            lane.integration = integration
            return True
        try:
            connection = open_connection(integration)
        except (KeyError, KeyringError) as error:
            integration.pause(f"{error.args[0]} The queue is held.")
            log.record(integration, LogKind.STATE, integration.status, integration.status_reason)
            return False
        if lane is None:
            self.lanes[integration.pk] = Lane(integration, connection, stamp)
        else:
            lane.integration, lane.connection, lane.stamp = integration, connection, stamp
        return True

    def _load(self, claimed: list[store.Claimed]) -> None:
        rules = _rules({item.mapping_id for item in claimed if item.mapping_id})
        envelopes = _envelopes(claimed)
        for item in claimed:
            lane = self.lanes[item.integration_id]
            work = Work(item, lane.connection, rules.get(item.mapping_id or 0), envelopes.get(item.source_id))
            lane.waiting.append(work)
            self._held[item.id] = item

    # --- send ----------------------------------------------------------------------------

    def _start(self) -> int:
        """Start what the threads, the limits in flight and the rate permits allow, lane by lane."""
        started = 0
        waiting = deque(lane for lane in self.lanes.values() if lane.waiting)
        while waiting and self._running < self.threads:
            lane = waiting.popleft()
            room = fair_room(
                self.threads - self._running,
                lane.running,
                lane.integration.in_flight_limit,
                latency=lane.latency,
                reserve=self.threads // 8,
            )
            if room <= 0:
                continue
            if not self.limiter.take(lane.integration.pk, lane.integration.rate):
                self._give_back(lane)
                continue
            lane.running += 1
            self._running += 1
            self._pool.submit(self._send, lane.waiting.popleft())
            started += 1
            if lane.waiting:
                waiting.append(lane)
        return started

    def _send(self, work: Work) -> None:
        self._done.put(make_attempt(work, timezone.now))
        self.bell.set()

    # --- settle --------------------------------------------------------------------------

    def _settle(self, everything: bool = False) -> int:
        self._collect()
        if not self._unsettled:
            return 0
        if not everything and self._may_wait():
            return 0
        attempts, now = self._unsettled, timezone.now()
        settlements = [
            settlement_of(attempt, self.lanes[attempt.item.integration_id].integration, now)
            for attempt in attempts
        ]
        # Where this fails, the outcomes stay here and are written as soon as the database is back.
        stale = mending.settle(settlements, now)
        self._unsettled = []
        for attempt in attempts:
            self._held.pop(attempt.item.id, None)
        for settlement in stale:
            logger.warning("Item %s was settled by another worker already", settlement.item.id)
        self._update_integrations(attempts, now)
        queue_items_settled.send(Dispatcher, settled=settlements)
        self._look_for(settlements, now)
        return len(attempts)

    def _may_wait(self) -> bool:
        """Whether the outcomes may wait for company. A failure may not: it can close the gate."""
        waited = time.monotonic() - self._oldest_done
        few = len(self._unsettled) < SETTLE_AT and waited < SETTLE_WITHIN
        return few and self._running > 0 and all(attempt.error is None for attempt in self._unsettled)

    def _collect(self) -> None:
        while True:
            try:
                attempt = self._done.get_nowait()
            except queue.Empty:
                return
            if not self._unsettled:
                self._oldest_done = time.monotonic()
            self._unsettled.append(attempt)
            self._running -= 1
            lane = self.lanes[attempt.item.integration_id]
            lane.running -= 1
            lane.latency = min(attempt.duration_ms / 1000, lane.latency * 1.02 + 0.0001)

    def _update_integrations(self, attempts: list[Attempt], now: datetime) -> None:
        by_lane: dict[UUID, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            by_lane[attempt.item.integration_id].append(attempt)
        for integration_id, own in by_lane.items():
            lane = self.lanes[integration_id]
            if not needs_update(lane.integration, own):
                continue
            update_integration(integration_id, own, now)
            if any(attempt.error for attempt in own):
                # What was claimed before the failure meets the gate again.
                self._give_back(lane)

    # --- leases --------------------------------------------------------------------------

    def _extend_leases(self) -> None:
        if time.monotonic() >= self._extend_at:
            store.extend(self._held.values(), self.lease, timezone.now())
            self._extend_at = time.monotonic() + self.lease / 3

    def _give_back(self, lane: Lane) -> None:
        items = [work.item for work in lane.waiting]
        lane.waiting.clear()
        # First of all forget them: where the database does not hear of it, their lease must end.
        for item in items:
            self._held.pop(item.id, None)
        store.give_back(items)

    def _backlog(self, integration: Integration) -> int:
        lane = self.lanes.get(integration.pk)
        return len(lane.waiting) if lane else 0

    def _waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self.lanes.values())

    def _look_for(self, settlements: list[store.Settlement], now: datetime) -> None:
        """Look again as soon as one of these is due again."""
        again = [(one.due_at - now).total_seconds() for one in settlements if one.state == State.PENDING]
        if again:
            self._look_by(min(again))

    def _look_by(self, seconds: float) -> None:
        self._look_at = min(self._look_at, time.monotonic() + max(0.01, seconds))

    def _pause(self) -> float:
        if self._unsettled:
            return SETTLE_WITHIN
        return max(0.001, min(LOOK_EVERY, self._look_at - time.monotonic()))


def _rules(mapping_ids: Iterable[int]) -> dict[int, list[Mapping[str, Any]]]:
    ids = set(mapping_ids)
    if not ids:
        return {}
    return dict(FieldMapping.objects.filter(pk__in=ids).values_list("pk", "rules"))


def _envelopes(claimed: list[store.Claimed]) -> dict[UUID, sources.Envelope]:
    by_type: dict[str, set[UUID]] = defaultdict(set)
    for item in claimed:
        by_type[item.source_type].add(item.source_id)
    loaded: dict[UUID, sources.Envelope] = {}
    for source_type, ids in by_type.items():
        loaded.update(sources.load(source_type, ids))
    return loaded
