"""The only delivery path: claim → send → settle.

One coordinator owns the database; threads send. Claimed items wait in one lane per integration
(``claims``); lanes take turns for the threads, so that a slow integration never holds up a fast one.
A thread goes on with its lane's next item by itself: handing over costs more than sending. Outcomes
are settled in batches, in one transaction with their log entries.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import close_old_connections
from django.utils import timezone

from hub.delivery import mending, store
from hub.delivery.attempt import Attempt, Work, make_attempt
from hub.delivery.claims import Claims
from hub.delivery.gate import LEAST_THREADS, fair_room
from hub.delivery.lanes import LATE, Lane, Pace, Send, Threads
from hub.delivery.models import State
from hub.delivery.outcomes import went_well
from hub.delivery.ratelimit import RateLimiter
from hub.delivery.settlement import needs_update, settlement_of, update_integration
from hub.delivery.signals import queue_items_settled

logger = logging.getLogger(__name__)

#: Outcomes wait this long for company, so that one transaction settles many.
SETTLE_WITHIN = 0.02
SETTLE_AT = 100
#: For each thread, so many more that only wait for slow providers.
SPARE = 3


class Dispatcher:
    """Delivers what is due until told to stop."""

    def __init__(self, owner: str, *, threads: int, claim_size: int, lease: float, limiter: RateLimiter):
        """``owner`` names this worker in leases; ``lease`` in seconds."""
        self.owner = owner
        self.threads = threads
        self.limiter = limiter
        # No lane has more than three quarters of the threads that there are for it (``fair_room``).
        most = max(1, threads * SPARE * 3 // 4)
        self.claims = Claims(owner, claim_size=claim_size, lease=lease, limiter=limiter, most=most)
        self.bell = threading.Event()
        self._pool = ThreadPoolExecutor(threads * (1 + SPARE), thread_name_prefix="send")
        self._running = 0
        #: What the threads tell: outcomes, and that they are through.
        self._done: deque[Attempt] = deque()
        self._ended: deque[Send] = deque()
        self._unsettled: list[Attempt] = []
        self._oldest_done = 0.0
        #: No outcome is waiting for company: the next one rings.
        self._asleep = False
        #: A lane waits for a thread: none may go on with its own.
        self._crowded = False
        self._turn = 0

    def ring(self) -> None:
        """Somebody accepted something: look at once."""
        self.claims.look_now()
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
                self._rest()
        self.shut_down()

    def step(self) -> bool:
        """Settle, claim and start what can be; return whether anything moved."""
        settled = self._settle()
        self.claims.extend_leases()
        self.claims.renew_slots()
        claimed = self.claims.claim() if self.claims.wanted() else 0
        started = self._start()
        return bool(settled or claimed or started)

    def run_until_idle(self) -> None:
        """Deliver until nothing is due any more and nothing is under way."""
        self.claims.look_now()
        while self.step() or self.claims.held or self._unsettled:
            self.claims.look_now()
            if self._running:
                self.bell.wait(0.01)
                self.bell.clear()

    def shut_down(self, deadline: float = 20.0) -> None:
        """Give back what was not started, finish what is under way, settle it.

        What is still under way after ``deadline`` seconds keeps its lease: the sweeper returns it.
        """
        self._give_everything_back()
        ends = time.monotonic() + deadline
        self._collect()
        while (self._running or self._unsettled) and time.monotonic() < ends:
            if not self._despite_the_database(lambda: self._settle(everything=not self._running)):
                time.sleep(0.5)
            self._despite_the_database(self.claims.renew_slots)
            self.bell.wait(0.1 if self._running else 0)
            self.bell.clear()
        # A thread that found no permit has put an item back meanwhile.
        self._give_everything_back()
        if not self._running:
            self._despite_the_database(self.claims.slots.end)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _give_everything_back(self) -> None:
        for lane in self.claims.lanes.values():
            if lane.waiting:
                self._despite_the_database(partial(self.claims.give_back, lane))

    def _despite_the_database(self, write: Callable[[], object]) -> bool:
        """Write; return False where the database does not answer, which must not end a stop half way."""
        try:
            write()
        except DatabaseFailure as error:
            logger.warning("The database does not answer while the worker stops: %s", error)
            close_old_connections()
            return False
        return True

    def _rest(self) -> None:
        """Wait for the bell, for company of the outcomes at hand, or for the next look at the queue."""
        self._asleep = not self._unsettled
        # Looked at after the flag was raised: whatever comes later rings.
        if not (self._asleep and self._done):
            rest = min(self.claims.next_look(), LATE if self._crowded else 1.0)
            self.bell.wait(SETTLE_WITHIN if self._unsettled else rest)
        self._asleep = False

    # --- send: in the coordinator ------------------------------------------------------------

    def _start(self) -> int:
        """Start what the threads, the limits in flight and the rate permits allow, lane by lane."""
        started = 0
        threads = Threads(self.claims.lanes.values(), threads=self.threads, spare=self.threads * SPARE)
        waiting = self._who_waits()
        crowded = False
        while waiting:
            lane = waiting.popleft()
            if self._room(lane, threads) <= 0:
                # Not for its own limits but for want of threads.
                crowded |= lane.running < lane.slots.now and threads.free <= 0
                continue
            work = self._next(lane)
            if work is None:
                # Without a permit none of them may go: other workers may have more luck.
                self.claims.give_back(lane)
                continue
            send = Send(lane, time.monotonic())
            lane.sends.add(send)
            threads.started(lane)
            self._running += 1
            self._pool.submit(self._send, send, work)
            started += 1
            if lane.waiting:
                waiting.append(lane)
        self._crowded = crowded
        return started

    def _who_waits(self) -> deque[Lane]:
        """Return the lanes with something to send; each time another one is the first."""
        waiting = deque(lane for lane in self.claims.lanes.values() if lane.waiting)
        self._turn += 1
        waiting.rotate(self._turn % len(waiting) if waiting else 0)
        return waiting

    def _room(self, lane: Lane, threads: Threads) -> int:
        """How many more sends of a lane may start."""
        limit, pace = lane.slots.now, threads.paces[lane.integration.pk]
        if pace == Pace.SLOW:
            return fair_room(threads.spare, lane.running, limit)
        if pace == Pace.NEW:
            limit = min(limit, LEAST_THREADS)
        return fair_room(threads.free, lane.running, limit, latency=lane.latency, reserve=self.threads // 8)

    # --- send: in a thread -------------------------------------------------------------------

    def _send(self, send: Send, work: Work | None) -> None:
        """Send, and go on with the lane's next item while all goes well and no lane lacks a thread."""
        try:
            while work is not None:
                send.began = time.monotonic()
                attempt = make_attempt(work, timezone.now)
                self._done.append(attempt)
                if self._asleep or len(self._done) >= SETTLE_AT:
                    self.bell.set()
                # After a failure the gate decides anew; of a lane that lost slots no more go on than it has.
                lane = send.lane
                over = attempt.closes_gate or self._crowded or lane.running > lane.slots.now
                work = None if over else self._next(lane)
        finally:
            self._ended.append(send)
            self.bell.set()

    def _next(self, lane: Lane) -> Work | None:
        """Take the lane's next item and a permit to send it; None where there is not both."""
        try:
            work = lane.waiting.popleft()
        except IndexError:
            return None
        work.permit = None
        try:
            work.permit = self.limiter.take_for(lane.integration)
        finally:
            if work.permit is None:
                lane.waiting.appendleft(work)
        return work if work.permit else None

    # --- settle --------------------------------------------------------------------------

    def _settle(self, everything: bool = False) -> int:
        self._collect()
        if not self._unsettled:
            return 0
        if not everything and self._may_wait():
            return 0
        attempts, now = self._unsettled, timezone.now()
        lanes = self.claims.lanes
        settlements = [
            settlement_of(attempt, lanes[attempt.item.integration_id].integration, now)
            for attempt in attempts
        ]
        # Where this fails, the outcomes stay here and are written as soon as the database is back.
        stale = mending.settle(settlements, now)
        self._unsettled = []
        self.claims.forget(attempt.item for attempt in attempts)
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
        return few and self._running > 0 and not any(attempt.closes_gate for attempt in self._unsettled)

    def _collect(self) -> None:
        # The ends first: a thread tells its last outcome before its end.
        while self._ended:
            self._running -= 1
            send = self._ended.popleft()
            send.lane.sends.discard(send)
        while self._done:
            attempt = self._done.popleft()
            if not self._unsettled:
                self._oldest_done = time.monotonic()
            self._unsettled.append(attempt)
            lane = self.claims.lanes[attempt.item.integration_id]
            if lane.latency == float("inf"):
                # It was given a few to see how soon it answers: now it may have more.
                self.claims.look_now()
            lane.latency = min(attempt.duration_ms / 1000, lane.latency * 1.02 + 0.0001)

    def _update_integrations(self, attempts: list[Attempt], now: datetime) -> None:
        by_lane: dict[UUID, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            by_lane[attempt.item.integration_id].append(attempt)
        for integration_id, own in by_lane.items():
            lane = self.claims.lanes[integration_id]
            if not needs_update(lane.integration, own):
                went_well(integration_id, len(own), now.timestamp())
                continue
            update_integration(integration_id, own, now)
            if any(attempt.closes_gate for attempt in own):
                # What was claimed before meets the gate again.
                self.claims.give_back(lane)

    def _look_for(self, settlements: list[store.Settlement], now: datetime) -> None:
        """Look again as soon as one of these is due again, or another could wait for its end."""
        again = [(one.due_at - now).total_seconds() for one in settlements if one.state == State.PENDING]
        again += [0.0 for one in settlements if one.item.in_order]
        if again:
            self.claims.look_by(min(again))
