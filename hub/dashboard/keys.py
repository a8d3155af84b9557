"""The page “Encryption keys”: what each key encrypts, and re-encryption in short steps."""

import time

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from hub.connections import rotation
from hub.dashboard.badges import is_superuser
from hub.lib.keyring import KeyringError
from hub.lib.sentences import plural

#: Seconds that one press of the button works.
SPELL = 5.0


@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """GET: how many ciphertexts each key holds. POST: re-encrypt for a few seconds. Superusers only."""
    if not is_superuser(request):
        raise PermissionDenied
    if request.method == "POST":
        _work(request)
        return HttpResponseRedirect(reverse("admin:encryption_keys"))
    try:
        uses, trouble = rotation.key_uses(), ""
    except KeyringError as error:
        uses, trouble = [], str(error)
    words = _words()
    context = {
        **admin.site.each_context(request),
        "title": "Encryption keys",
        "uses": [(use, [(words[place], number) for place, number in use.places.items()]) for use in uses],
        "trouble": trouble,
        "remaining": sum(use.total for use in uses if use.known and not use.first),
        "total": sum(use.total for use in uses),
        "renewed": sum(use.total for use in uses if use.first),
    }
    return TemplateResponse(request, "dashboard/keys.html", context)


def _words() -> dict[str, str]:
    """Return what each encrypted column holds, by its name."""
    return {str(place): place.words for place in rotation.places()}


def _work(request: HttpRequest) -> None:
    ends = time.monotonic() + SPELL
    try:
        for _ in rotation.rotate():
            if time.monotonic() > ends:
                break
        left = rotation.remaining()
        wrong = [] if left else rotation.unopenable()
    except KeyringError as error:
        messages.error(request, str(error))
        return
    if left:
        words = plural(left, "secret is", "secrets are")
        messages.warning(request, f"{words} left. Press once more, or run 'manage.py rotate_keys'.")
    elif wrong:
        holds = _words()
        named = (one.split(" ", 1) for one in wrong[:5])
        told = "; ".join(f"{holds[place]} ({pk})" for place, pk in named)
        messages.error(
            request, f"{plural(len(wrong), 'secret')} cannot be opened: {told}. Connect these again."
        )
    else:
        messages.success(request, "Everything is encrypted with the first key, and was opened to prove it.")
