"""``manage.py startprovider``."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.base.provider import CATEGORIES
from integrations.base.registry import ROOT
from integrations.base.scaffold import ScaffoldError, write_provider


class Command(BaseCommand):
    """Writes the folder of a new provider."""

    help = "Write integrations/SLUG/ with a provider that keeps the contract, to be filled in."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="folder's name: small letters, digits and _")
        parser.add_argument("--name", required=True, help='as people know it: "Acme CRM"')
        parser.add_argument("--category", required=True, help=", ".join(CATEGORIES))
        parser.add_argument("--directory", type=Path, default=ROOT, help="where to write (integrations/)")

    def handle(self, *args: Any, **options: Any) -> None:
        slug, directory = options["slug"], options["directory"]
        try:
            files = write_provider(directory, slug, options["name"], options["category"])
        except ScaffoldError as error:
            raise CommandError(str(error)) from None
        for file in files:
            self.stdout.write(str(file))
        self.stdout.write(
            f"\nNow fill in provider.py, webhooks.py and instructions.md in {directory / slug}, and put what "
            "the provider really answers into fixtures/ (docs/adding-a-provider.md leads through it). Run:\n"
            f"pytest tests/integrations/test_contract.py -k {slug}\n"
            "python manage.py providerdocs"
        )
