"""Says on whose behalf a page changes things."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hub.audit.actors import Actor, acting
from hub.lib.inbound import client_address


class ActorMiddleware:
    """Every change that a browser asks for is its user's. The API names its callers itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self._further = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(partial(_visitor, request)):
            return self._further(request)


def _visitor(request: HttpRequest) -> Actor:
    known = request.user if request.user.is_authenticated else None
    return Actor(
        name=known.get_username() if known else "Somebody not signed in",
        user=known,
        address=client_address(request),
        request_id=request.META.get("hub.request_id", ""),
    )
