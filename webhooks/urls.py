"""Where providers call: with or without the slash at the end, since signatures may cover it."""

import re

from django.urls import re_path

from webhooks.views import call

#: What follows ``/webhooks/``.
PATH = re.compile(r"(?P<token>[A-Za-z0-9_-]{8,100})/?")
urlpatterns = [re_path(f"^{PATH.pattern}$", call, name="webhook")]
