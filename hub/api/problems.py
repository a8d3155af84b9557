"""Every error of the API, in one form: RFC 9457 problem details."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from hub.accounts.quotas import QuotaExceeded
from hub.api.authentication import CHALLENGE
from hub.lib.inbound import BodyTooLarge
from hub.lib.slow_bodies import SlowBody

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
#: What a status means here, where the exception says nothing better.
DETAILS = {
    400: "The request is not understood.",
    401: "Send an API key: 'Authorization: Bearer ick_…' or 'X-API-Key: ick_…'.",
    403: "This API key may not do that.",
    404: "There is nothing here.",
    405: "This address does not take that method.",
    406: "The API answers in application/json, reports also in text/csv: accept that.",
    409: "It does not go together with what there is; detail says what.",
    412: "It was changed meanwhile; read it again.",
    413: "The body is too large.",
    415: "Send application/json or a CloudEvent.",
    422: "This Idempotency-Key was sent with another call already.",
    424: "The provider did not do what was asked.",
    428: "Say with If-Match which version you mean to change.",
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


class Conflict(exceptions.APIException):
    """It does not go together with what there is, or is under way already."""

    status_code = 409
    default_code = "conflict"

    def __init__(self, detail: str, *, wait: int = 0):
        """``wait``: seconds after which asking again makes sense."""
        super().__init__(detail)
        self.wait = wait


class Precondition(exceptions.APIException):
    """The caller has not said, or not rightly, which version it means to change."""

    default_code = "precondition"

    def __init__(self, status: int, detail: str):
        self.status_code = status
        super().__init__(detail)


class ProviderFailed(exceptions.APIException):
    """The provider, not the hub, did not do what was asked; the message says why.

    424, not 502: whoever watches the hub for 5xx is told of the hub's own faults only.
    """

    status_code = 424
    default_code = "provider_failed"


class TooLarge(exceptions.APIException):
    """The body is larger than the API takes; the message names the limit."""

    status_code = 413
    default_code = "too_large"


def seconds_until(moment: datetime | None) -> int:
    """Return whole seconds from now until ``moment``, for Retry-After; 0 for none."""
    return max(1, math.ceil((moment - timezone.now()).total_seconds())) if moment else 0


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
    if quota := getattr(known, "quota", None):
        body["quota"] = quota
    return body, headers


class OverQuota(exceptions.APIException):
    """The organization has no events left; ``quota`` names limit, use and reset."""

    status_code = 429
    default_code = "over_quota"

    def __init__(self, error: QuotaExceeded):
        super().__init__(str(error))
        self.wait = error.wait
        self.quota = {
            "limit": error.quota.limit,
            "period": error.quota.period.value,
            "used": error.used,
            "resets_at": error.resets_at,
        }


class DatabaseAway(exceptions.APIException):
    """The database does not answer, or takes nothing: the caller keeps what it has and tries again."""

    status_code = 503
    default_detail = (
        "The hub's database cannot take this just now, so nothing of it was kept. Send it again; with the "
        "same idempotency_key it is accepted once."
    )
    default_code = "database_away"
    #: Seconds for Retry-After.
    wait = 5


class BodyLost(exceptions.APIException):
    """The body did not come to its end: the caller went away, or was cut off for being slow."""

    status_code = 408
    default_detail = "The body did not come to its end, so nothing of it was kept. Send it again."
    default_code = "body_lost"


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database does not answer: %s", error)
        return DatabaseAway()
    if isinstance(error, QuotaExceeded):
        return OverQuota(error)
    if isinstance(error, Http404):
        return exceptions.NotFound(DETAILS[404])
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(DETAILS[403])
    if isinstance(error, BodyTooLarge | RequestDataTooBig):
        return TooLarge(str(error))
    if isinstance(error, UnreadablePostError | SlowBody):
        return BodyLost()
    return None


#: What the framework says of itself means nothing to a caller.
_TOLD_BY_STATUS = (exceptions.Throttled, exceptions.MethodNotAllowed)


def _detail(error: exceptions.APIException) -> str:
    plain = isinstance(error, _TOLD_BY_STATUS) or str(error.detail) == str(error.default_detail)
    if plain and error.status_code in DETAILS and type(error).__module__ == exceptions.__name__:
        return DETAILS[error.status_code]
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
