"""manage.py worker: deliver until told to stop."""

import logging
import os
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from hub.delivery import scheduler
from hub.delivery.worker import Worker, run_embedded

#: Seconds a scheduled job under way gets to finish at a stop.
LAST_JOB = 10.0


class Command(BaseCommand):
    """Runs one worker process of a hub without a broker."""

    #: They load every page of the hub, which takes a second and memory; 'prepare' and 'migrate' run them.
    requires_system_checks = []
    help = "Deliver what is due until SIGTERM or Ctrl-C; deliveries under way are finished or given back."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--with-scheduler",
            action="store_true",
            help="Do the scheduled jobs in this process as well; it saves the memory of another one.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the worker."""
        worker = Worker()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stopping.set())
        schedule = threading.Thread(
            target=scheduler.run, args=(worker.stopping,), name="scheduler", daemon=True
        )
        if options["with_scheduler"]:
            schedule.start()
        run_embedded(worker, settings.HUB.wake_socket)
        if options["with_scheduler"]:
            schedule.join(LAST_JOB)
        if worker.dispatcher.in_flight:
            # Python would wait for threads whose provider does not answer, however long that may take. What
            # they have in hand comes back when its lease ends.
            logging.shutdown()
            os._exit(0)
