"""manage.py seed_demo: make the demo organization."""

from typing import Any

from django.core.management.base import BaseCommand

from hub.config.demo import seed


class Command(BaseCommand):
    """Makes the demo organization with sample integrations in the sandbox; harmless when repeated."""

    help = (
        "Make the organization 'Demo' with every provider connected to the sandbox, routes and sample events."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        changes = seed().changes
        if changes:
            self.stdout.write(f"The demo organization is ready ({len(changes)} things made or brought back).")
        else:
            self.stdout.write("The demo organization is as it should be.")
