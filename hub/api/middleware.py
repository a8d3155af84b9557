"""Gives every request an id and every error below ``/api/`` the form of a problem; lets machines pass."""

import re
from collections.abc import Callable
from typing import cast

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve
from django.utils.log import log_response

from hub.api.problems import MEDIA_TYPE, problem_body
from hub.audit.actors import begin_acting
from hub.lib import logs, tracing
from hub.lib.ids import uuid7
from hub.lib.redaction import MASK

HEADER = "X-Request-Id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9_.:-]{8,100}")


class RequestIdMiddleware:
    """Takes the caller's ``X-Request-Id`` where it is sane, else makes one; answers with it.

    Errors that Django itself raises (no such address, a host that is not allowed) come as HTML;
    below ``/api/`` they leave as ``application/problem+json`` like all others.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if ACCEPTABLE.fullmatch(given) else uuid7().hex
        request.META["hub.request_id"] = request_id
        scope = logs.enter(lambda: {"request_id": request_id}, _mask_of(request))
        try:
            response = _traced(self.get_response, request)
            if response.status_code >= 400:
                response = _told(request, response, request_id)
        finally:
            logs.leave(scope)
        response.headers[HEADER] = request_id
        if request.path_info.startswith("/api/"):
            # What a key or token opens is nothing for a cache; not every one knows X-API-Key.
            response.headers.setdefault("Cache-Control", "no-store")
        return response


class DirectMiddleware:
    """Lets machines pass by what only browsers need: sessions, CSRF tokens, messages, static files.

    An API key or a signature is what proves these calls; their views read no session, and a view
    that did would find none. It does itself what the passed-by middlewares do for every answer.
    """

    PATHS = ("/api/", "/webhooks/")

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase],
        call: Callable[[HttpRequest], HttpResponseBase] | None = None,
    ):
        """``call`` answers what is below ``PATHS``; None: the view of the address does."""
        self._further = get_response
        self._view = convert_exception_to_response(call or _call_view)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self.PATHS):
            return self._further(request)
        response = cast(HttpResponseBase, self._view(request))
        begin_acting(None)
        if isinstance(response, HttpResponse) and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
        return response


def _call_view(request: HttpRequest) -> HttpResponseBase:
    request.get_host()  # raises DisallowedHost
    request.resolver_match = match = resolve(request.path_info)
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    render = getattr(response, "render", None)
    return render() if callable(render) else response


def _traced(
    get_response: Callable[[HttpRequest], HttpResponseBase], request: HttpRequest
) -> HttpResponseBase:
    if not tracing.tracing():
        return get_response(request)
    with tracing.request_span(request.method or "", request.headers.get("traceparent", "")) as span:
        response = get_response(request)
        if span and request.resolver_match:
            # The route, not the path: a webhook's address is a secret.
            span.update_name(f"{request.method} /{request.resolver_match.route}")
            span.set_attribute("http.response.status_code", response.status_code)
        return response


def _mask_of(request: HttpRequest) -> Callable[[str], str] | None:
    """Return what masks a webhook's address, which is a secret and stands in lines that Django writes."""
    if not request.path_info.startswith("/webhooks/"):
        return None
    return lambda text: text.replace(request.path, f"/webhooks/{MASK}/")


def _told(request: HttpRequest, response: HttpResponseBase, request_id: str) -> HttpResponseBase:
    """Log an error as Django would, but while the line still carries the request's id; return the answer."""
    line = ("%s: %s", response.reason_phrase, request.path)
    log_response(*line, response=cast(HttpResponse, response), request=request)
    told = _as_problem(response, request_id) if request.path.startswith("/api/") else response
    told._has_been_logged = True  # type: ignore[attr-defined]
    return told


def _as_problem(response: HttpResponseBase, request_id: str) -> HttpResponseBase:
    if response.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
        return response
    replaced = HttpResponse(
        problem_body(response.status_code, request_id=request_id),
        status=response.status_code,
        content_type=MEDIA_TYPE,
    )
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response.headers:
            replaced.headers[name] = response.headers[name]
    return replaced
