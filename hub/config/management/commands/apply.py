"""manage.py apply FILE: bring an organization to what a configuration file says."""

from hub.config.commands import FileCommand
from hub.config.service import apply


class Command(FileCommand):
    """Applies a configuration file, all or nothing; applying it again changes nothing."""

    help = "Create and change integrations, mappings, event types, routes and webhook endpoints from a file."
    work = staticmethod(apply)
