"""The embedded scheduler: does what is registered, when it is due, one job after the other; those that
take long go beside.

With a broker, django-celery-beat keeps the same list and Celery workers do the jobs
(``hub.delivery.tasks``).
"""

import logging
import threading
import time

from django.db import close_old_connections, connections

from hub.delivery.jobs import Job, scheduled_jobs

logger = logging.getLogger(__name__)

#: Seconds after the start at which a job first runs, so that a restart catches up soon.
FIRST_AFTER = 5.0


def run(stop: threading.Event) -> None:
    """Do the scheduled jobs until ``stop`` is set; those that take long in a thread of their own."""
    beside = threading.Thread(target=_run_apart, args=(stop,), name="scheduler-apart", daemon=True)
    beside.start()
    _run(stop, apart=False)
    beside.join()


def _run_apart(stop: threading.Event) -> None:
    try:
        _run(stop, apart=True)
    finally:
        connections.close_all()


def _run(stop: threading.Event, *, apart: bool) -> None:
    jobs = {name: job for name, job in scheduled_jobs().items() if job.apart == apart}
    due = {name: time.monotonic() + min(FIRST_AFTER, job.every) for name, job in jobs.items()}
    while not stop.is_set():
        now = time.monotonic()
        for name, job in jobs.items():
            if due[name] <= now and not stop.is_set():
                do(job)
                due[name] = time.monotonic() + job.every
        stop.wait(max(0.05, min(due.values(), default=now + 1) - time.monotonic()))


def do(job: Job) -> None:
    """Run one job; a fault is logged, and the job comes again at its next time."""
    close_old_connections()
    try:
        job.run()
    except Exception:
        logger.exception("The scheduled job %s failed; it runs again in %.0f s", job.name, job.every)
