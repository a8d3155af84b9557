"""Every error of the API, in one form: RFC 9457 problem details."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from hub.api.authentication import CHALLENGE
from hub.lib.inbound import BodyTooLarge

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
#: What a status means here, where the exception says nothing better.
DETAILS = {
    400: "The request is not understood.",
    401: "Send an API key: 'Authorization: Bearer ick_…' or 'X-API-Key: ick_…'.",
    403: "This API key may not do that.",
    404: "There is nothing here.",
    405: "This address does not take that method.",
    406: "The API answers in application/json only.",
    413: "The body is too large.",
    415: "Send application/json or a CloudEvent.",
    429: "Too many requests; wait as long as Retry-After says.",
    500: "The hub failed. The request id finds the reason in its log.",
    503: "The hub cannot work just now; try again.",
}


class FieldProblem(exceptions.APIException):
    """The request holds values that are not accepted: one sentence per field."""

    status_code = 400
    default_code = "invalid"

    def __init__(self, errors: Sequence[tuple[str, str]], *, status: int = 400, detail: str = ""):
        """``errors``: (field, sentence) pairs; an empty field means the whole body."""
        self.errors = [{"field": field, "message": message} for field, message in errors]
        self.status_code = status
        summary = self.errors[0]["message"] if len(self.errors) == 1 else ""
        super().__init__(detail or summary or f"{len(self.errors)} fields are not accepted.")


class TooLarge(exceptions.APIException):
    """The body is larger than the API takes; the message names the limit."""

    status_code = 413
    default_code = "too_large"


def problem(
    status: int, detail: str = "", *, request_id: str = "", errors: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Return the problem as data; ``type`` is about:blank, so that ``title`` is the status' own."""
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or DETAILS.get(status, ""),
    }
    if errors:
        found["errors"] = list(errors)
    if request_id:
        found["request_id"] = request_id
    return found


def problem_body(status: int, detail: str = "", *, request_id: str = "") -> bytes:
    """Return the problem as the bytes of an answer."""
    return orjson.dumps(problem(status, detail, request_id=request_id))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer any exception of an API view with a problem (Django REST framework's hook)."""
    request = context.get("request")
    request_id = request.META.get("hub.request_id", "") if request is not None else ""
    set_rollback()
    body, headers = _told(error, request_id)
    return Response(body, status=body["status"], content_type=MEDIA_TYPE, headers=headers)


def problem_response(error: Exception, request: HttpRequest) -> HttpResponse:
    """Answer any exception of a view that does without Django REST framework."""
    body, headers = _told(error, request.META.get("hub.request_id", ""))
    return HttpResponse(orjson.dumps(body), status=body["status"], content_type=MEDIA_TYPE, headers=headers)


def _told(error: Exception, request_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the problem that ``error`` is, and the headers that go with it."""
    known = _known(error)
    if known is None:
        logger.error("Request %s failed", request_id, exc_info=error)
        known = exceptions.APIException(DETAILS[500])
    headers = {}
    if isinstance(known, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = CHALLENGE
    if wait := getattr(known, "wait", None):
        headers["Retry-After"] = str(int(wait))
    body = problem(known.status_code, _detail(known), request_id=request_id, errors=_errors(known))
    return body, headers


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound(DETAILS[404])
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(DETAILS[403])
    if isinstance(error, BodyTooLarge | RequestDataTooBig):
        return TooLarge(str(error))
    return None


def _detail(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.Throttled):
        return DETAILS[429]
    if isinstance(error, exceptions.ValidationError):
        return "Some values are not accepted."
    return str(error.detail)


def _errors(error: exceptions.APIException) -> list[dict[str, str]]:
    if isinstance(error, FieldProblem):
        return error.errors
    if isinstance(error, exceptions.ValidationError):
        return list(_flatten(error.detail))
    return []


def _flatten(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flatten(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        for inner in detail:
            yield from _flatten(inner, path)
    else:
        yield {"field": "" if path == "non_field_errors" else path, "message": str(detail)}
