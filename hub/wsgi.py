"""The hub as a WSGI application."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import get_resolver
from django.utils.module_loading import import_string

from hub.lib.garbage import keep_loaded
from hub.lib.slow_bodies import Application, most_slow, watched

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")


def at_once(application: Application) -> Application:
    """Return ``application`` giving answers that do not stream as lists, which granian sends at once.

    Any other iterable it asks for each part from the thread that serves all connections of the process,
    and all of them wait while that thread waits for the interpreter.
    """

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = application(environ, start_response)
        if not isinstance(answer, HttpResponse):
            return answer
        whole = [answer.content]
        answer.close()
        return whole

    return run


def _application() -> Application:
    django = at_once(get_wsgi_application())
    # Views can be loaded only now that Django is set up.
    straight: Callable[[Application], Application] = import_string("hub.api.straight.straight")
    return watched(straight(django), grace=settings.HUB.body_seconds, most=most_slow())


# The usual five milliseconds, at each step that one who writes for all takes while others read their calls,
# made up half of the time that these then wait for their answers.
sys.setswitchinterval(0.001)
application = _application()
# All pages are loaded before the process takes its first call, which would wait for most of a second.
get_resolver().url_patterns  # noqa: B018 (it loads them)
keep_loaded()
