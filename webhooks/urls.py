"""Where providers call: with or without the slash at the end, since signatures may cover it."""

from django.urls import re_path

from webhooks.views import call

urlpatterns = [re_path(r"^(?P<token>[A-Za-z0-9_-]{8,100})/?$", call, name="webhook")]
