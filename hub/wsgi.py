"""The hub as a WSGI application."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from hub.lib.slow_bodies import most_slow, watched

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
application = watched(get_wsgi_application(), grace=settings.HUB.body_seconds, most=most_slow())
