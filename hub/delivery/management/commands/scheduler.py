"""manage.py scheduler: do the scheduled jobs until told to stop."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from hub.delivery import scheduler


class Command(BaseCommand):
    """Runs the scheduler of a hub without a broker; there must be only one."""

    #: They load every page of the hub, which takes a second and memory; 'prepare' and 'migrate' run them.
    requires_system_checks = []
    help = "Sweep, test connections, prune and whatever else is scheduled, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the scheduler."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        scheduler.run(stop)
