"""Celery's part: it wakes workers and spreads them. No message carries an item or a time.

Every pool process of ``celery -A hub worker`` runs a Worker; the task only rings it.

Celery waits for its tasks without end before it stops; the hub does not. At SIGTERM every Worker stops
claiming at once, also where its process is busy with a scheduled job, finishes what is under way
and gives back the rest; after ``STOP_WITHIN`` seconds the whole worker ends, whatever is left.
"""

import logging
import multiprocessing
import os
import threading
from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_process_init, worker_process_shutdown, worker_shutting_down

from hub.delivery import jobs, scheduler
from hub.delivery.worker import Worker

logger = logging.getLogger(__name__)

#: Seconds from SIGTERM to the end: what compose.yaml and Kubernetes wait for before they kill.
STOP_WITHIN = 35.0
_here: list[Worker] = []
#: Shared with the pool processes, which are forked from this one.
_shutting_down = multiprocessing.get_context("fork").Event()


@shared_task(name="hub.delivery.tasks.wake")
def wake() -> None:
    """Ring this process's worker; the first ring starts it, whatever pool Celery uses."""
    _worker().ring()


@shared_task(name="hub.delivery.tasks.wake_jobs")
def wake_jobs() -> None:
    """Have this process's worker look at the jobs beside delivering."""
    _worker().ring_jobs()


@shared_task(name="hub.delivery.tasks.run_job")
def run_job(name: str) -> None:
    """Do one scheduled job."""
    job = jobs.scheduled_jobs().get(name)
    if job is not None:
        scheduler.do(job)


@worker_process_init.connect
def _start_worker(**_: Any) -> None:
    _worker()


@worker_shutting_down.connect
def _stop_in_time(**_: Any) -> None:
    """Called in the parent of the pool when it is told to stop."""
    _shutting_down.set()
    last = threading.Timer(STOP_WITHIN, _give_up)
    last.daemon = True
    last.start()


def _give_up() -> None:
    logger.error(
        "The worker did not stop within %.0f s and ends now; the sweep returns what it held.", STOP_WITHIN
    )
    # The pool's processes see their pipe close and end as well.
    os._exit(1)


def _follow(worker: Worker) -> None:
    """Wait, in a thread of a pool process, for the parent's word, then stop."""
    _shutting_down.wait()
    worker.stop()


@worker_process_shutdown.connect
def _stop_worker(**_: Any) -> None:
    while _here:
        _here.pop().stop()


@beat_init.connect
def _install_schedule(sender: Any = None, **_: Any) -> None:
    """Give beat the registered jobs; django-celery-beat keeps them in its tables."""
    entries = {
        f"interchange: {job.name}": {
            "task": run_job.name,
            "schedule": job.every,
            "args": (job.name,),
            # A job that waits longer than its period is done by the next message.
            "options": {"expires": job.every},
        }
        for job in jobs.scheduled_jobs().values()
    }
    sender.app.conf.beat_schedule = {**sender.app.conf.beat_schedule, **entries}
    sender.scheduler.update_from_dict(entries)


def _worker() -> Worker:
    if not _here:
        _here.append(Worker())
        _here[0].start()
        threading.Thread(target=_follow, args=(_here[0],), name="follow", daemon=True).start()
    return _here[0]
