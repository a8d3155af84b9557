"""Takes a call without Django REST framework's machinery: for what applications send all the time.

The framework's own request, negotiation, rendering and finishing cost several times what accepting
an event costs. A direct call keeps the same promises by the same functions: key, scope, rate,
problems.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import NotAcceptable, NotAuthenticated, Throttled

from hub.accounts.models import APIKey
from hub.api.authentication import demand, sent_key
from hub.api.base import count_call
from hub.api.people import Person
from hub.api.problems import DETAILS, problem_response


def answer_directly(
    request: HttpRequest, scope: str, view: Callable[[HttpRequest, APIKey | Person], HttpResponse]
) -> HttpResponse:
    """Return what ``view`` answers to the key's owner, or the problem that kept it from answering."""
    try:
        return view(request, _admitted(request, scope))
    except Exception as error:
        return problem_response(error, request)


def _admitted(request: HttpRequest, scope: str) -> APIKey | Person:
    """Return the caller; raise what keeps the call out, in the order in which DRF asks."""
    if request.META.get("HTTP_ACCEPT", "*/*") != "*/*" and not request.accepts("application/json"):
        raise NotAcceptable(DETAILS[406])
    key = sent_key(request.META)
    if key is None:
        raise NotAuthenticated
    demand(key, scope)
    if wait := count_call(key):
        raise Throttled(wait)
    return key
