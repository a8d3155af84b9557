"""The page of lock-outs: who has to wait, anywhere in the hub, and letting them in again."""

from axes.models import AccessAttempt
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from hub.identity import lockouts
from hub.lib.inbound import client_address


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """GET: who has to wait, anywhere in the hub. POST: let one try again. Superusers only."""
    if not getattr(request.user, "is_superuser", False):
        raise PermissionDenied
    if request.method == "POST":
        chosen = request.POST.get("attempt", "")
        gone = AccessAttempt.objects.filter(pk=int(chosen)).delete()[0] if chosen.isdecimal() else 0
        messages.info(request, "They may try again." if gone else "It was over already.")
        return HttpResponseRedirect(reverse("admin:lockouts"))
    rows = [(row, row.attempt_time + lockouts.LOCKED_FOR) for row in lockouts.locked()[:200]]
    context = {
        **admin.site.each_context(request),
        "title": "Lock-outs",
        "rows": rows,
        "tries": lockouts.TRIES,
        "minutes": int(lockouts.LOCKED_FOR.total_seconds() // 60),
        "own": client_address(request),
    }
    return TemplateResponse(request, "identity/lockouts.html", context)
