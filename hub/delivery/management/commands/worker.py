"""manage.py worker: deliver until told to stop."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hub.delivery.worker import Worker, run_embedded


class Command(BaseCommand):
    """Runs one worker process of a hub without a broker."""

    help = "Deliver what is due until SIGTERM or Ctrl-C; deliveries under way are finished or given back."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the worker."""
        worker = Worker()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stopping.set())
        run_embedded(worker, settings.HUB.wake_socket)
