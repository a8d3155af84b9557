"""The embedded scheduler: does what is registered, when it is due, one job after the other.

With a broker, django-celery-beat keeps the same list and Celery workers do the jobs
(``hub.delivery.tasks``).
"""

import logging
import threading
import time

from django.db import close_old_connections

from hub.delivery.jobs import Job, scheduled_jobs

logger = logging.getLogger(__name__)

#: Seconds after the start at which a job first runs, so that a restart catches up soon.
FIRST_AFTER = 5.0


def run(stop: threading.Event) -> None:
    """Do the scheduled jobs until ``stop`` is set."""
    due = {name: time.monotonic() + min(FIRST_AFTER, job.every) for name, job in scheduled_jobs().items()}
    while not stop.is_set():
        now = time.monotonic()
        for name, job in scheduled_jobs().items():
            if due.get(name, 0.0) <= now and not stop.is_set():
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
