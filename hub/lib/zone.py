"""Times as the person who looks reads them: in the zone that their browser says it is in."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

#: Set by ``interchange.js`` on every page, the sign-in page as well.
COOKIE = "timezone"


class ZoneMiddleware:
    """Shows times, and reads those of forms, in the zone of the cookie; else in the hub's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self._further = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        zone = _zone(unquote(request.COOKIES.get(COOKIE, "")))
        if zone is None:
            return self._further(request)
        with timezone.override(zone):
            return self._further(request)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    """Return the zone; None for whatever else somebody may have put into a cookie."""
    return ZoneInfo(name) if name in _names() else None


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
