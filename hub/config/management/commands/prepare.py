"""manage.py prepare: bring database, static files, admin user and demo to where a start needs them."""

import secrets
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from hub.accounts.models import Organization
from hub.connections import lost
from hub.connections.canary import check_keys
from hub.lib.keyring import KeyringError

#: What the supervisor takes for 'the keys do not open the data'.
WRONG_KEY = 3


class Command(BaseCommand):
    """What the supervisor has done before it starts the hub's processes; harmless when repeated."""

    help = "Migrate, check the keys, collect static files, make the admin user and the demo once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; end with a sentence on stderr and a code that is not 0 where it cannot be done."""
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except DatabaseError as error:
            self._stop(
                f"The database cannot be used: {error}. Check HUB_DATABASE_URL and the hub's folder.", 1
            )
        try:
            check_keys()
        except KeyringError as error:
            self._stop(str(error), WRONG_KEY)
        self._tell_lost()
        if settings.STATIC_ROOT.is_relative_to(settings.HUB.home):
            # An image brings its own, in a folder that nobody may write.
            call_command("collectstatic", interactive=False, verbosity=0)
        self._make_admin()
        if not Organization.objects.exists() and settings.HUB.demo:
            call_command("seed_demo", stdout=self.stdout)

    def _tell_lost(self) -> None:
        """Hold what a lost key keeps from being sent, and say so."""
        found = lost.loss()
        if found is not None:
            held = lost.hold()
            self.stdout.write(f"\n  {found.sentence}\n  Integrations held just now: {held}\n\n")

    def _make_admin(self) -> None:
        users = get_user_model()._default_manager
        if users.exists():
            return
        password = secrets.token_urlsafe(15)
        users.create_superuser(username="admin", email="", password=password)
        self.stdout.write(f"\n  Sign in as   admin\n  Password     {password}\n")
        self.stdout.write(
            "  It is shown only now; change it in the admin, or with 'manage.py changepassword'.\n\n"
        )

    def _stop(self, sentence: str, code: int) -> None:
        self.stderr.write(sentence)
        sys.exit(code)
