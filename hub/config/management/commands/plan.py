"""manage.py plan FILE: say what ``apply`` would change."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.config.document import ConfigError
from hub.config.files import read_file, refusal
from hub.config.service import plan


class Command(BaseCommand):
    """Shows the difference between a configuration file and the hub; changes nothing."""

    help = "Show what 'apply FILE' would create, change or delete, without doing it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="A YAML file, or - for standard input.")
        parser.add_argument(
            "--prune", action="store_true", help="Also delete what the file does not mention."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the plan."""
        document = read_file(options["file"])
        try:
            report = plan(document, prune=options["prune"])
        except ConfigError as error:
            raise refusal(options["file"], error) from None
        self.stdout.write(str(report))
