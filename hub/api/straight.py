"""The short way of what machines send all the time: an application's events, a provider's calls.

Two fifths of what such a request costs are the framework around it: signals, layers of middleware that
browsers need, the search for the view and the view's making. Here the functions behind all that are called
without it, so that the answer is the same, header for header. Whatever is no such request goes Django's way.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

from hub.api.events import EventsView
from hub.api.middleware import DirectMiddleware, RequestIdMiddleware
from hub.lib import tracing
from webhooks.urls import PATH
from webhooks.views import call

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
View = Callable[[HttpRequest], HttpResponseBase]

EVENTS = "/api/events"


class _Request(WSGIRequest):
    """A request and what answers it."""

    def __init__(self, environ: dict[str, Any], view: View):
        super().__init__(environ)
        self.view = view


def straight(application: Application) -> Application:
    """Return ``application`` with the short way before it."""

    def run(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        view = _view_of(environ)
        if view is None:
            return application(environ, start_response)
        renew_connection()
        response = _answer(_Request(environ, view))
        headers = list(response.items())
        outer = _outer_headers(response.headers.get("Content-Type", "").partition(";")[0])
        headers += [(name, value) for name, value in outer if name not in response.headers]
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        return [response.content]

    return run


def renew_connection() -> None:
    """Do what Django does when a request begins: what the database's server closed is opened again.

    No other database than this one is asked here; to look for others costs more than to look at it.
    """
    connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()


def _view_of(environ: dict[str, Any]) -> View | None:
    """Return what answers the request here; None: it goes Django's way."""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("SCRIPT_NAME") or tracing.tracing():
        return None
    path: str = environ["PATH_INFO"]
    if path == EVENTS:
        return _take_events
    if path.startswith("/webhooks/") and (found := PATH.fullmatch(path[len("/webhooks/") :])):
        return partial(call, token=found["token"])
    return None


def _take_events(request: HttpRequest) -> HttpResponseBase:
    return EventsView().dispatch(request)


def _call(request: HttpRequest) -> HttpResponseBase:
    request.get_host()  # raises DisallowedHost
    return cast(_Request, request).view(request)


def _never(request: HttpRequest) -> HttpResponse:
    raise AssertionError(f"{request.path_info} is no path of machines.")


_answer: Callable[[HttpRequest], Any] = RequestIdMiddleware(DirectMiddleware(_never, _call))


@lru_cache(maxsize=64)
def _outer_headers(kind: str) -> list[tuple[str, str]]:
    """Return what the layers outside of these two give an answer: they ask nothing of it but its type."""
    layers = settings.MIDDLEWARE[: settings.MIDDLEWARE.index("hub.api.middleware.RequestIdMiddleware")]

    def answer(request: HttpRequest) -> HttpResponseBase:
        return HttpResponse(content_type=kind)

    for layer in reversed(layers):
        answer = import_string(layer)(answer)
    return [(name, value) for name, value in answer(HttpRequest()).items() if name != "Content-Type"]
