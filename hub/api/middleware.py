"""Gives every request an id, and every error below ``/api/`` the form of a problem."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from hub.api.problems import MEDIA_TYPE, problem_body
from hub.lib import logs
from hub.lib.ids import uuid7

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
        given = request.headers.get(HEADER, "")
        request_id = given if ACCEPTABLE.fullmatch(given) else uuid7().hex
        request.META["hub.request_id"] = request_id
        scope = logs.enter(lambda: {"request_id": request_id})
        try:
            response = self.get_response(request)
        finally:
            logs.leave(scope)
        if request.path.startswith("/api/") and response.status_code >= 400:
            response = _as_problem(response, request_id)
        response.headers[HEADER] = request_id
        return response


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
