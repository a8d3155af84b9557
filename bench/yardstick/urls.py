"""The yardstick's two addresses."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.yardstick.views import EventCreate


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the server is up."""
    return HttpResponse("ok")


urlpatterns = [path("api/events", EventCreate.as_view()), path("healthz", healthz)]
