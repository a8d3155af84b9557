"""Whether workers and scheduler are alive, run the same code with the same settings, and get on."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from hub import __version__
from hub.config.doctor.finding import Finding, advice, ok, problem
from hub.delivery import beats
from hub.delivery.models import QueueItem, State

#: Beat writes what it did every three minutes.
BEAT_SILENT = timedelta(minutes=10)
#: The sweep comes every 15 seconds.
UNSWEPT = timedelta(minutes=3)


def workers() -> Iterator[Finding]:
    """Whether any worker is alive, and all are alike."""
    alive = list(beats.alive().order_by("name"))
    if not alive:
        yield problem(
            "workers",
            "No worker gives a sign of life: events are accepted and wait.",
            "Start one: 'celery -A hub worker' with a broker, else 'make run' or 'manage.py worker'.",
        )
        return
    yield ok("workers", f"{len(alive)}: {', '.join(beat.name for beat in alive)}")
    if others := sorted({beat.version for beat in alive} - {__version__}):
        yield advice(
            "workers",
            f"Workers run version {', '.join(others)}, this is {__version__}.",
            "During a deploy that is as it should be; else restart them.",
        )
    if strangers := [beat.name for beat in alive if beat.setup != beats.setup_print()]:
        yield problem(
            "workers",
            f"{', '.join(strangers)}: other HUB_SECRET_KEY, HUB_ENCRYPTION_KEYS or HUB_REDIS_URL than here, "
            "so that limits are not counted together or credentials do not open.",
            "Give every process the same settings and restart.",
        )


def scheduler() -> Iterator[Finding]:
    """Whether somebody does the scheduled jobs."""
    expired = QueueItem.objects.filter(
        state=State.PROCESSING, lease_until__lt=timezone.now() - UNSWEPT
    ).exists()
    if expired:
        yield problem(
            "scheduler",
            "Deliveries of a dead worker were not returned to the queue: nobody sweeps.",
            "Start a worker, and one 'celery -A hub beat' with a broker.",
        )
    if not settings.HUB.broker_url:
        if not expired:
            yield ok("scheduler", "A part of the worker; nothing waits for it.")
        return
    sweep = PeriodicTask.objects.filter(name="interchange: sweep").first()
    # One that was made just now was made by a beat that has not written yet what it did.
    if sweep is None or (sweep.last_run_at or sweep.date_changed) < timezone.now() - BEAT_SILENT:
        yield problem(
            "scheduler",
            "Celery beat has not sent the sweep for ten minutes.",
            "Start one 'celery -A hub beat', and only one.",
        )
    elif not sweep.enabled:
        yield problem(
            "scheduler", "The periodic task 'interchange: sweep' is switched off.", "Switch it on again."
        )
    else:
        yield ok("scheduler", "Celery beat sends the scheduled jobs.")


def deliveries() -> Iterator[Finding]:
    """Whether claims progress."""
    if sentence := beats.stalled():
        yield problem("deliveries", sentence, "See docs/operations.md, 'Nothing is delivered'.")
    else:
        yield ok("deliveries", "Nothing waits without a worker.")
