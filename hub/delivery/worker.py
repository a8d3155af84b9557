"""A worker process: delivers, and does the jobs that other slices gave to workers."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections, connections

from hub.delivery import housekeeping, slots
from hub.delivery.beats import Pulse, worker_name
from hub.delivery.claims import LOOK_EVERY
from hub.delivery.dispatch import Dispatcher
from hub.delivery.jobs import Job, worker_jobs
from hub.delivery.ratelimit import make_limiter
from hub.delivery.wake import DELIVERIES, JOBS, Listener
from hub.lib.garbage import keep_loaded
from hub.lib.logs import process_facts

logger = logging.getLogger(__name__)

#: Seconds that a stop may take; whatever starts workers gives them a little longer.
STOP_WITHIN = 25.0
#: Seconds from one round of the jobs to the next where there is work: what comes one after another is done
#: together, in a commit and not in one each. There is no wait after a round that did as much as ``MANY``.
ROUND, MANY = 0.05, 50


class Worker:
    """Runs a dispatcher in one thread and the jobs in another, each with a bell of its own."""

    def __init__(self) -> None:
        hub = settings.HUB
        process_facts["worker"] = worker_name()
        self.stopping = threading.Event()
        self.dispatcher = Dispatcher(
            worker_name(),
            threads=hub.worker_threads,
            claim_size=hub.claim_size,
            lease=hub.lease_seconds,
            limiter=make_limiter(),
        )
        self._pulse = Pulse(self.dispatcher.owner, lambda: self.dispatcher.in_flight)
        self._jobs_bell = threading.Event()
        self._threads = [
            threading.Thread(target=self._guard, args=(self._deliver,), name="dispatch", daemon=True),
            threading.Thread(target=self._guard, args=(self._do_jobs,), name="jobs", daemon=True),
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        keep_loaded()
        for thread in self._threads:
            thread.start()

    def ring(self) -> None:
        """Somebody left something to deliver."""
        self.dispatcher.ring()

    def ring_jobs(self) -> None:
        """Somebody left another job."""
        self._jobs_bell.set()

    def stop(self) -> None:
        """Finish what is under way, give back the rest, and return when that is done or time is up."""
        self.stopping.set()
        self.ring()
        self.ring_jobs()
        ends = time.monotonic() + STOP_WITHIN
        for thread in self._threads:
            thread.join(timeout=max(0.0, ends - time.monotonic()))

    def _guard(self, loop: Callable[[], None]) -> None:
        """Keep a loop going through a lost database connection: wait, reconnect, go on."""
        while not self.stopping.is_set():
            try:
                loop()
            except Exception:
                logger.exception(
                    "The %s loop stumbled; it goes on in a second", threading.current_thread().name
                )
                close_old_connections()
                self.stopping.wait(1)
        connections.close_all()

    def _deliver(self) -> None:
        # Before the first claim: who begins at the same time leaves this one its part of the limits.
        self._pulse.turn()
        if settings.HUB.embedded:
            slots.forget_dead(self.dispatcher.owner)
        self.dispatcher.run(self.stopping, self._pulse.turn)
        self._pulse.end()

    def _do_jobs(self) -> None:
        # The scheduler sweeps too, but what a dead worker held must come back also where that one, or
        # the broker between, is away.
        sweep, sweep_at = Job("sweep", housekeeping.sweep), 0.0
        while not self.stopping.is_set():
            self._jobs_bell.clear()
            if time.monotonic() >= sweep_at:
                _do(sweep)
                sweep_at = time.monotonic() + housekeeping.SWEEP_EVERY
            began = time.monotonic()
            done = sum(_do(job) for job in worker_jobs())
            if not done:
                self._jobs_bell.wait(LOOK_EVERY)
            elif done < MANY:
                self.stopping.wait(max(0.0, ROUND - (time.monotonic() - began)))


def run_embedded(worker: Worker, wake_socket: Path) -> None:
    """Run until ``worker.stopping`` is set, woken by datagrams to ``wake_socket``."""
    listener = Listener(wake_socket.with_name(f"{wake_socket.stem}-{os.getpid()}{wake_socket.suffix}"))
    worker.start()
    listener.run({DELIVERIES: worker.ring, JOBS: worker.ring_jobs}, worker.stopping)
    worker.stop()
    listener.close()


def _do(job: Job) -> int:
    try:
        done = job.run()
    except Exception:  # one job's fault must not keep the others from their work
        logger.exception("The job %s failed; it is tried again", job.name)
        close_old_connections()
        return 0
    return int(done) if isinstance(done, int) else 0
