"""Workers that look by themselves only once a minute: what one of them finds sooner, it was told of.

``celery -A tests.services.patient worker``, or ``python -m tests.services.patient worker``.
"""

import os
from importlib import import_module

import django
from django.core.management import execute_from_command_line

from hub.celery import app

__all__ = ["app"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
django.setup()
import_module("hub.delivery.claims").LOOK_EVERY = 60.0

if __name__ == "__main__":
    execute_from_command_line()
