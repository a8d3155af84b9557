"""What the commands that take a configuration file have in common."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from hub.config.changes import Report
from hub.config.document import ConfigError
from hub.config.files import read_file, refusal


class FileCommand(BaseCommand):
    """Reads the file that is named, works on it and prints the report."""

    #: Takes the document and ``prune``; returns the report, or raises ConfigError.
    work: Callable[..., Report]

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="A YAML file, or - for standard input.")
        parser.add_argument(
            "--prune", action="store_true", help="Also delete what the file does not mention."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work, and print what came of it."""
        document = read_file(options["file"])
        try:
            report = self.work(document, prune=options["prune"])
        except ConfigError as error:
            raise refusal(options["file"], error) from None
        self.stdout.write(str(report))
