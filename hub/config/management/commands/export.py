"""manage.py export: write an organization as a configuration file."""

from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.accounts.models import Organization
from hub.config.snapshot import export


class Command(BaseCommand):
    """Prints what ``apply`` takes. Secrets are named as environment variables, never written."""

    help = "Print an organization's configuration as YAML, without any secret."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--organization", default="", help="Its short name; not needed if there is one.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the document."""
        document = export(_organization(options["organization"]))
        self.stdout.write(
            "# Made by 'manage.py export'. Secrets are not here: set the environment variables named under\n"
            "# credential_env before 'manage.py apply', except where the hub holds them already."
        )
        self.stdout.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))


def _organization(slug: str) -> Organization:
    rows = Organization.objects.order_by("slug")
    found = list(rows.filter(slug=slug) if slug else rows)
    if len(found) == 1:
        return found[0]
    known = ", ".join(rows.values_list("slug", flat=True)) or "none yet"
    if slug:
        raise CommandError(f"There is no organization '{slug}'; there are: {known}.")
    raise CommandError(f"Say which organization with --organization; there are: {known}.")
