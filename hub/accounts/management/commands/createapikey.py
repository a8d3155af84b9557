"""``manage.py createapikey --organization demo --name shop --scope events:write``."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hub.accounts.models import APIKey, Organization, Scope


class Command(BaseCommand):
    """Makes an API key and prints it: this once."""

    help = "Make an API key of an organization and print it. It cannot be read again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--organization", required=True, help="The organization's slug.")
        parser.add_argument("--name", required=True, help="Which application will use the key.")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            dest="scopes",
            metavar="SCOPE",
            help=f"May be given several times: {', '.join(Scope.values)}.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key; the key alone goes to standard output, so that scripts can take it."""
        slug = options["organization"]
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            known = ", ".join(Organization.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no organization {slug!r}; there are: {known or 'none yet'}.")
        scopes = {scope.strip() for given in options["scopes"] for scope in given.split(",") if scope.strip()}
        if unknown := sorted(scopes - set(Scope.values)):
            raise CommandError(f"There is no scope {unknown[0]!r}; there are: {', '.join(Scope.values)}.")
        key, text = APIKey.issue(organization, options["name"], scopes)
        self.stderr.write(f"Key “{key.name}” of {organization} ({', '.join(key.scopes)}). Keep it safe:")
        self.stdout.write(text)
