"""``manage.py createapikey --organization demo --name shop --scope events:write``."""

from datetime import datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from hub.accounts.models import APIKey, Organization, Scope
from hub.accounts.networks import read_networks


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
        parser.add_argument(
            "--expires",
            default="",
            metavar="TIME",
            help="The key is refused from then on: 2027-01-31, or 2027-01-31T12:00:00Z. Never, unless given.",
        )
        parser.add_argument(
            "--network",
            action="append",
            default=[],
            dest="networks",
            metavar="NETWORK",
            help="Where it may be used from: 203.0.113.7 or 10.0.0.0/8. May be given several times; "
            "anywhere, unless given.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key; the key alone goes to standard output, so that scripts can take it."""
        organization = _organization(options["organization"])
        scopes = {scope.strip() for given in options["scopes"] for scope in given.split(",") if scope.strip()}
        if unknown := sorted(scopes - set(Scope.values)):
            raise CommandError(f"There is no scope {unknown[0]!r}; there are: {', '.join(Scope.values)}.")
        try:
            networks = read_networks(",".join(options["networks"]))
        except ValueError as error:
            raise CommandError(str(error)) from None
        key, text = APIKey.issue(
            organization,
            options["name"],
            scopes,
            expires_at=_expiry(options["expires"]),
            allowed_networks=networks,
        )
        self.stderr.write(f"Key “{key.name}” of {organization} ({', '.join(key.scopes)}). Keep it safe:")
        self.stdout.write(text)


def _organization(slug: str) -> Organization:
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Organization.objects.order_by("slug").values_list("slug", flat=True)[:20])
        raise CommandError(f"There is no organization {slug!r}; there are: {known or 'none yet'}.")
    return found


def _expiry(text: str) -> datetime | None:
    """Return the time that ``text`` is, of a date its beginning; the hub's own zone where none is given."""
    if not text:
        return None
    try:
        day = parse_date(text)
        found = datetime.combine(day, time()) if day else parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"'{text}' is no time. Write 2027-01-31 or 2027-01-31T12:00:00Z.")
    if timezone.is_naive(found):
        found = timezone.make_aware(found)
    if found <= timezone.now():
        raise CommandError(f"{text} is over: the key would be refused from the start.")
    return found
