"""``manage.py providerdocs``."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.base.docs import providers_page
from integrations.base.registry import providers


class Command(BaseCommand):
    """Writes docs/providers.md from the declarations."""

    help = "Write docs/providers.md from the providers' declarations."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if it is not current")
        parser.add_argument("--file", type=Path, default=settings.BASE_DIR / "docs" / "providers.md")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        page = providers_page(providers().values())
        if not options["check"]:
            file.write_text(page, encoding="utf-8")
            self.stdout.write(f"{file} is written.")
        elif not file.exists() or file.read_text(encoding="utf-8") != page:
            raise CommandError(f"{file.name} is not current: run 'python manage.py providerdocs'.")
        else:
            self.stdout.write(f"{file.name} is current.")
