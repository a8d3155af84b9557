"""Celery's part: it wakes workers and spreads them. No message carries an item or a time.

Every pool process of ``celery -A hub worker`` runs a Worker; the task only rings it.
"""

from typing import Any

from celery import shared_task
from celery.signals import beat_init, worker_process_init, worker_process_shutdown

from hub.delivery import jobs, scheduler
from hub.delivery.worker import Worker

_here: list[Worker] = []


@shared_task(name="hub.delivery.tasks.wake")
def wake() -> None:
    """Ring this process's worker; the first ring starts it, whatever pool Celery uses."""
    _worker().ring()


@shared_task(name="hub.delivery.tasks.run_job")
def run_job(name: str) -> None:
    """Do one scheduled job."""
    job = jobs.scheduled_jobs().get(name)
    if job is not None:
        scheduler.do(job)


@worker_process_init.connect
def _start_worker(**_: Any) -> None:
    _worker()


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
    return _here[0]
