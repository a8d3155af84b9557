"""manage.py apply FILE: bring an organization to what a configuration file says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.config.document import ConfigError
from hub.config.files import read_file, refusal
from hub.config.service import apply


class Command(BaseCommand):
    """Applies a configuration file, all or nothing; applying it again changes nothing."""

    help = "Create and change integrations, mappings, event types, routes and webhook endpoints from a file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="A YAML file, or - for standard input.")
        parser.add_argument(
            "--prune", action="store_true", help="Also delete what the file does not mention."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Apply, and print what was changed."""
        document = read_file(options["file"])
        try:
            report = apply(document, prune=options["prune"])
        except ConfigError as error:
            raise refusal(options["file"], error) from None
        self.stdout.write(str(report))
