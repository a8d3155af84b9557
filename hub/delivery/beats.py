"""Signs of life of the worker processes: which of them get round their loop, and since when.

A worker's coordinator itself gives the sign after a turn of its loop, so that one whose database or
code hangs falls silent although its process lives. Times are the database's, so that machines
whose clocks differ agree.

From the same signs a worker knows its part of a limit that the workers cannot count together.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from hub import __version__
from hub.delivery.models import QueueItem, State, WorkerBeat

logger = logging.getLogger(__name__)

#: Seconds between two signs of life of a worker.
EVERY = 10.0
#: Seconds of silence after which a worker counts as gone: three signs missed, and a slow statement.
SILENT = 45
#: Seconds an item may be due while no worker is there before the hub counts as not ready.
LATE = 30
#: After this long the row of a worker that was killed goes.
FORGOTTEN = timedelta(hours=1)
#: Seconds between two looks who else is there. One who is new uses nothing of what is shared until all
#: others must have seen it.
LOOK_EVERY, NEW = 4.0, 6.0


class Place:
    """This process's place among the workers, for limits that each of them counts for itself."""

    def __init__(self) -> None:
        self.rank, self.size, self.is_new = 0, 1, False

    def part_of(self, count: int) -> int:
        """Return the part of ``count`` that is this process's; the parts of all are ``count``."""
        if self.is_new:
            return 0
        return count // self.size + (self.rank < count % self.size)


#: Only the pulse of this process's worker changes it; a hub of one worker stays with all there is.
place = Place()


def worker_name() -> str:
    """Return a name that no other worker process has, for leases and log lines."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"


class Pulse:
    """One worker's sign of life, given by ``turn`` every ``EVERY`` seconds."""

    def __init__(self, name: str, in_flight: Callable[[], int]):
        """``in_flight`` says how many deliveries are under way."""
        self.name = name
        self._in_flight = in_flight
        self._setup = setup_print()
        self._due = self._look_at = 0.0
        self._began = time.monotonic()

    def turn(self) -> None:
        """Called after every turn of the loop: nearly free while no sign is due. Never raises."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY
            self._give_sign()
        # On SQLite there is one worker, whatever a killed one before it left here.
        if now >= self._look_at and connection.vendor != "sqlite":
            self._look_at = now + LOOK_EVERY
            self._take_place(now - self._began < NEW)

    def _take_place(self, is_new: bool) -> None:
        """See who else is there; the oldest first, so that nobody's place changes by one who comes."""
        try:
            names = list(alive().order_by("started_at", "name").values_list("name", flat=True))
        except DatabaseError as error:
            logger.warning("The other workers could not be counted (%s); deliveries go on.", error)
            return
        place.size = max(1, len(names))
        place.rank = names.index(self.name) if self.name in names else place.size - 1
        place.is_new = is_new and place.size > 1

    def _give_sign(self) -> None:
        beat = WorkerBeat(
            name=self.name,
            version=__version__,
            setup=self._setup,
            started_at=Now(),
            seen_at=Now(),
            in_flight=self._in_flight(),
        )
        try:
            WorkerBeat.objects.bulk_create(
                [beat],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["version", "setup", "seen_at", "in_flight"],
            )
        except DatabaseError as error:
            logger.warning("No sign of life could be written (%s); deliveries go on.", error)

    def end(self) -> None:
        """Take the row away: this worker stops in good order. Never raises."""
        try:
            WorkerBeat.objects.filter(pk=self.name).delete()
        except DatabaseError as error:
            logger.warning("The worker's row could not be removed (%s); the sweep will.", error)


def setup_print() -> str:
    """Return a fingerprint of the settings that every process must share; it tells nothing of them."""
    hub = settings.HUB
    return salted_hmac("hub.setup", "\n".join([hub.redis_url, *hub.encryption_keys])).hexdigest()[:16]


def alive() -> QuerySet[WorkerBeat]:
    """Return the workers that gave a sign lately."""
    return WorkerBeat.objects.filter(seen_at__gt=Now() - timedelta(seconds=SILENT))


def forget() -> int:
    """Remove the rows of workers long gone; return how many."""
    return WorkerBeat.objects.filter(seen_at__lt=Now() - FORGOTTEN).delete()[0]


def stalled() -> str:
    """Return "" while claims progress, else a sentence: something is due and no worker takes it.

    The queue is only looked at where no worker gave a sign.
    """
    if alive().exists():
        return ""
    late = timezone.now() - timedelta(seconds=LATE)
    if not QueueItem.objects.filter(state=State.PENDING, due_at__lt=late).exists():
        return ""
    return (
        f"Deliveries are due and no worker has given a sign of life for {SILENT} s; "
        "nothing is lost, but nothing is delivered. Start a worker, or read its log."
    )
