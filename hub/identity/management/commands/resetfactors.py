"""``manage.py resetfactors ann``: for somebody who lost phone, keys and recovery codes."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.identity import factors


class Command(BaseCommand):
    """Takes away all second factors of an account; the password stays."""

    help = "Take away all second factors of an account, so that its password alone signs in."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the user name."""
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say how many there were."""
        user = get_user_model()._default_manager.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        self.stdout.write(f"{factors.reset(user)} factors of {user} are gone; the password still holds.")
