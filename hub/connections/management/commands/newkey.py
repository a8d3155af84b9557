"""``manage.py newkey``."""

from typing import Any

from django.core.management.base import BaseCommand

from hub.lib.keyring import new_key


class Command(BaseCommand):
    """Prints a fresh encryption key."""

    help = "Print a new 256-bit key for HUB_ENCRYPTION_KEYS. To rotate, put it in front of the present one."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(new_key())
