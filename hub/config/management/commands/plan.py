"""manage.py plan FILE: say what ``apply`` would change."""

from hub.config.commands import FileCommand
from hub.config.service import plan


class Command(FileCommand):
    """Shows the difference between a configuration file and the hub; changes nothing."""

    help = "Show what 'apply FILE' would create, change or delete, without doing it."
    work = staticmethod(plan)
