"""``manage.py test_integration``."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hub.connections.check import run_connection_test
from hub.connections.models import Integration


class Command(BaseCommand):
    """Runs the connection test of one integration; exit code 1 where it fails."""

    help = "Test the connection of an integration and say what to do where it fails (exit code 1)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the integration's short name")
        parser.add_argument("--organization", default="", help="its organization's short name")

    def handle(self, *args: Any, **options: Any) -> None:
        integration = _find(options["slug"], options["organization"])
        outcome = run_connection_test(integration)
        line = (
            f"{integration.organization.slug}/{integration.slug}: {outcome.message} ({outcome.latency_ms} ms)"
        )
        if not outcome.ok:
            raise CommandError(f"{line}\n{outcome.hint}".rstrip(), returncode=1)
        self.stdout.write(self.style.SUCCESS(line))


def _find(slug: str, organization: str) -> Integration:
    rows = Integration.objects.select_related("organization").filter(slug=slug)
    if organization:
        rows = rows.filter(organization__slug=organization)
    found = list(rows[:2])
    if not found:
        known = ", ".join(Integration.objects.order_by("slug").values_list("slug", flat=True).distinct()[:20])
        raise CommandError(f"There is no integration {slug!r}. There are: {known or 'none yet'}.")
    if len(found) > 1:
        raise CommandError(f"Several organizations have an integration {slug!r}; add --organization.")
    return found[0]
