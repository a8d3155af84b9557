"""The yardstick as a WSGI application."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.yardstick.settings")
application = get_wsgi_application()
# As the hub does: no call waits for the pages to load, and nobody looks for garbage among them.
get_resolver().url_patterns  # noqa: B018 (it loads them)
gc.freeze()
