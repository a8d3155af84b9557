"""What one worker holds: due items, claimed within every limit, in one lane per integration.

Only the dispatcher's coordinator calls this; of a lane, threads that send take what waits.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.utils import timezone

from hub.connections.client import open_connection
from hub.connections.models import Integration
from hub.delivery import divert, log, sources, store
from hub.delivery.attempt import Work
from hub.delivery.gate import LEAST_THREADS, Gate, gate
from hub.delivery.lanes import Lane, Pace, in_turns
from hub.delivery.models import LogKind
from hub.delivery.quotas import Shares
from hub.delivery.ratelimit import RateLimiter
from hub.delivery.settlement import breaker_of
from hub.delivery.slots import Ask, Reserve, limit_of
from hub.delivery.waits import Waits
from hub.lib.keyring import KeyringError
from hub.mapping.models import FieldMapping

#: Seconds between two looks at the queue when nobody rings.
LOOK_EVERY = 1.0


class Claims:
    """Claims, keeps the leases, and gives back."""

    def __init__(self, owner: str, *, claim_size: int, lease: float, limiter: RateLimiter, most: int):
        """``owner`` names this worker in leases; ``lease`` in seconds; ``most``: deliveries of one
        integration that its threads can have under way."""
        self.owner = owner
        self.claim_size = claim_size
        self.lease = lease
        self.limiter = limiter
        self.slots = Reserve(owner, most)
        self.lanes: dict[UUID, Lane] = {}
        self.held: dict[UUID, store.Claimed] = {}
        self._waits = Waits()
        self._without_permit: list[Integration] = []
        self._emptied = True
        self._diverted = False
        self._diverted_at: dict[UUID, float] = {}
        #: What was due at the last look, and the state in which it was loaded.
        self._known: dict[UUID, Integration] = {}
        self._stamps: dict[UUID, tuple[Any, Any]] = {}
        self._extend_at = time.monotonic() + lease / 3
        self._look_at = 0.0
        #: What waited after the last claim, where that claim did not empty the queue; else 0.
        self._stock = 0

    # --- when to look ----------------------------------------------------------------------

    def look_now(self) -> None:
        """Somebody accepted something."""
        self._look_at = 0.0

    def look_by(self, seconds: float) -> None:
        """Look again in ``seconds`` at the latest."""
        self._look_at = min(self._look_at, time.monotonic() + max(0.01, seconds))

    def next_look(self) -> float:
        """Seconds until the next look."""
        return max(0.001, min(LOOK_EVERY, self._look_at - time.monotonic()))

    def wanted(self) -> bool:
        """Whether it is time to claim: little is left here, and there may be more."""
        waiting = self.waiting()
        if self._stock and waiting <= self._stock // 2:
            return True
        return waiting <= self.claim_size // 2 and time.monotonic() >= self._look_at

    def waiting(self) -> int:
        """How many items wait here for a thread, of those who answer soon.

        What is held for the others is little, and never in the way of these.
        """
        now = time.monotonic()
        return sum(
            len(lane.waiting) for lane in self.lanes.values() if lane.waiting and lane.pace(now) == Pace.QUICK
        )

    # --- claim -----------------------------------------------------------------------------

    def claim(self) -> int:
        """Claim what the gates allow and there is room for; return how many items moved."""
        now = timezone.now()
        # Before the look: who rings while it is under way may have come too late for it.
        self._look_at = time.monotonic() + LOOK_EVERY
        due = store.due_lanes(now)
        claimed: list[store.Claimed] = []
        self._without_permit = []
        self._emptied = True
        self._shares = Shares(
            self.limiter, ((lane.integration, len(lane.waiting)) for lane in self.lanes.values())
        )
        # Room of their own for those who answer soon, so that the others do not fill it.
        room = {True: self.claim_size - self.waiting(), False: self.claim_size}
        in_order = in_turns(self._up_to_date(due), self.lanes)
        self._ask_for_slots(in_order, now)
        for integration in in_order:
            quick = self._pace(integration) == Pace.QUICK
            if room[quick] <= 0:
                self._emptied = False
                continue
            items = self._claim_lane(integration, room[quick], now)
            room[quick] -= len(items)
            claimed += items
        self._waits.look(self._without_permit)
        if claimed:
            self._load(claimed)
        self._stock = 0 if self._emptied else self.waiting()
        if self._diverted:
            self._look_at = 0.0
        moved, self._diverted = len(claimed) + self._diverted, False
        return moved

    def _up_to_date(self, due: list[store.DueLane]) -> list[Integration]:
        """Return the integrations of ``due`` as they are now; asked for whole only where one was changed."""
        known = {each.id: self._as_before(each) for each in due}
        changed = [key for key, row in known.items() if row is None]
        # One that is gone by now is found no more.
        known |= Integration.objects.in_bulk(changed) if changed else {}
        self._stamps = {each.id: each.stamp for each in due}
        self._known = {key: row for key, row in known.items() if row is not None}
        for each in due:
            if each.id in self._known:
                each.tell(self._known[each.id])
        return list(self._known.values())

    def _as_before(self, due: store.DueLane) -> Integration | None:
        """Return the integration where it was not changed since it was loaded.

        A paused one has no lane, and what comes in for it meanwhile rings all the time.
        """
        lane = self.lanes.get(due.id)
        if lane is not None and lane.stamp == due.stamp:
            return lane.integration
        return self._known.get(due.id) if self._stamps.get(due.id) == due.stamp else None

    def _ask_for_slots(self, integrations: list[Integration], now: datetime) -> None:
        """Have slots of those that something may be claimed for: no more of them than there is room for."""
        lacking = (
            integration
            for integration in integrations
            if self.slots.lacks(integration.pk) and self._gate(integration, 1, now).quota > 0
        )
        asks = {
            integration.pk: Ask(limit_of(integration), self._running(integration), more=True)
            for integration in islice(lacking, self.claim_size)
        }
        if asks:
            self.slots.ask(asks)

    def _gate(self, integration: Integration, room: int, now: datetime) -> Gate:
        return gate(
            status=integration.status,
            blocked_until=integration.blocked_until,
            breaker=breaker_of(integration),
            room=room,
            now=now,
            lease=self.lease,
        )

    def _claim_lane(self, integration: Integration, room: int, now: datetime) -> list[store.Claimed]:
        backlog = self._backlog(integration)
        decision = self._gate(integration, min(room, self._wanted(integration, backlog)), now)
        if decision.divert:
            self._divert(integration, decision.reason, now)
        if decision.look_again:
            self.look_by(decision.look_again.timestamp() - now.timestamp())
        # Opened before anything asks the provider's code, which may be gone.
        if decision.quota <= 0 or not self._open_lane(integration):
            return []
        slots = self.slots.of(integration.pk)
        if not slots.now:
            return []
        slots.idle = 0
        quota = min(decision.quota, self._permits(integration, backlog, now))
        if quota <= 0:
            return []
        items = store.claim(integration.pk, quota, self.owner, self.lease, now)
        if items:
            self._shares.took(integration, len(items))
            self.lanes[integration.pk].claimed_at = time.monotonic()
        if len(items) == quota:
            self._emptied = False
        if items and decision.trial:
            Integration.objects.filter(pk=integration.pk).update(
                circuit=decision.trial.circuit, circuit_until=decision.trial.until
            )
        return items

    def _divert(self, integration: Integration, reason: str, now: datetime) -> None:
        """Send on what has a fallback; looks for it once a second, for each look costs a transaction."""
        last = self._diverted_at.get(integration.pk, 0.0)
        if time.monotonic() - last < LOOK_EVERY:
            return
        if divert.to_next_target(integration, reason, now):
            self._diverted = True
            self._diverted_at.pop(integration.pk, None)
        else:
            self._diverted_at[integration.pk] = time.monotonic()

    def _wanted(self, integration: Integration, backlog: int) -> int:
        """How many items make sense to hold here, besides those that wait already."""
        batch, pace = integration.batch_size, self._pace(integration)
        if pace == Pace.QUICK:
            # Half a batch or nothing: many small claims cost more than they bring.
            return batch - backlog if backlog <= batch // 2 else 0
        running = self._running(integration)
        if pace == Pace.NEW:
            return 0 if backlog or running else min(batch, LEAST_THREADS)
        # As many as may be under way, and the next of each: another worker may come to them sooner.
        return max(0, min(batch, 2 * self.slots.of(integration.pk).now - running) - backlog)

    def _pace(self, integration: Integration) -> Pace:
        lane = self.lanes.get(integration.pk)
        return lane.pace(time.monotonic()) if lane else Pace.NEW

    def _permits(self, integration: Integration, backlog: int, now: datetime) -> int:
        free, reset = self.limiter.free(integration.pk, integration.rate)
        free -= backlog
        share = self._shares.free(integration)
        if share is not None and share[0] < free:
            free, reset = share
        if free <= 0:
            self.look_by(max(0.01, reset - now.timestamp()))
            if not backlog:
                self._without_permit.append(integration)
        return free

    def _open_lane(self, integration: Integration) -> bool:
        """Have a lane with the integration as it is now; False where it cannot be opened at all."""
        stamp = self._stamps[integration.pk]
        lane = self.lanes.get(integration.pk)
        if lane is not None and lane.stamp == stamp:
            return True
        try:
            connection = open_connection(integration)
        except (KeyError, KeyringError) as error:
            integration.pause(f"{error.args[0]} The queue is held.")
            log.record(integration, LogKind.STATE, integration.status, integration.status_reason)
            return False
        if lane is None:
            slots = self.slots.of(integration.pk)
            self.lanes[integration.pk] = Lane(integration, connection, stamp, slots=slots)
        else:
            lane.integration, lane.connection, lane.stamp = integration, connection, stamp
        return True

    def _load(self, claimed: list[store.Claimed]) -> None:
        rules = _rules({item.mapping_id for item in claimed if item.mapping_id})
        envelopes = _envelopes(claimed)
        for item in claimed:
            lane = self.lanes[item.integration_id]
            self.held[item.id] = item
            lane.waiting.append(
                Work(item, lane.connection, rules.get(item.mapping_id or 0), envelopes.get(item.source_id))
            )

    def _backlog(self, integration: Integration) -> int:
        lane = self.lanes.get(integration.pk)
        return len(lane.waiting) if lane else 0

    def _running(self, integration: Integration) -> int:
        lane = self.lanes.get(integration.pk)
        return lane.running if lane else 0

    # --- keep and give back ----------------------------------------------------------------

    def extend_leases(self) -> None:
        """Hold what is held for longer, when it is time."""
        if time.monotonic() >= self._extend_at:
            store.extend(self.held.values(), self.lease, timezone.now())
            self._extend_at = time.monotonic() + self.lease / 3

    def renew_slots(self) -> None:
        """Keep the slots of what has work, when it is time; what lost them goes to the other workers."""
        if not self.slots.due():
            return
        self.slots.renew(self.lanes)
        for lane in self.lanes.values():
            if lane.waiting and not lane.slots.granted:
                self.give_back(lane)

    def give_back(self, lane: Lane) -> None:
        """Return what waits in ``lane`` to the queue."""
        items = []
        # One by one: threads that send take from it at the same time.
        with suppress(IndexError):
            while True:
                items.append(lane.waiting.popleft().item)
        # First of all forget them: where the database does not hear of it, their lease must end.
        self.forget(items)
        store.give_back(items)

    def forget(self, items: Iterable[store.Claimed]) -> None:
        """Hold these no longer."""
        for item in items:
            self.held.pop(item.id, None)


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
