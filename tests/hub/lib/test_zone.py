"""Times in the zone of whoever looks."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from hub.lib.zone import COOKIE, ZoneMiddleware


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        ("Europe%2FBerlin", "Europe/Berlin"),
        ("Asia/Kolkata", "Asia/Kolkata"),
        ("../../etc/passwd", "UTC"),
        ("Nowhere/Else", "UTC"),
        ("", "UTC"),
    ],
)
def test_the_browsers_zone_holds_for_the_request_alone(cookie: str, zone: str) -> None:
    seen: list[str] = []

    def view(request: Any) -> HttpResponse:
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    request = RequestFactory().get("/admin/")
    request.COOKIES[COOKIE] = cookie
    ZoneMiddleware(view)(request)
    assert seen == [zone]
    assert timezone.get_current_timezone_name() == "UTC"
