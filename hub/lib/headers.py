"""The headers that tell a browser what an answer of the hub may do."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

#: Nothing of the hub uses these, so no page and nothing that gets into one may either.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "serial", "usb")
)
#: For everything that is no page.
DATA = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
#: For pages. No inline scripts, nothing from other hosts. Alpine, with which Unfold's pages and the
#: hub's work, makes functions of the expressions in attributes ('unsafe-eval'); Unfold sets styles in
#: attributes ('unsafe-inline', for styles alone). A form may lead on to a provider's sign-in page.
PAGE = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self' https: {sandbox} {issuer}"
)


class HeadersMiddleware:
    """Adds Content-Security-Policy, Permissions-Policy and, where the hub is at https, HSTS.

    HSTS goes along however the request came: TLS mostly ends at a proxy before the hub, and a
    browser takes no notice of it over plain HTTP.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self._further = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._further(request)
        headers = response.headers
        if headers.get("Content-Type", "").startswith("text/html"):
            policy = PAGE.format(sandbox=settings.HUB.sandbox_url, issuer=settings.SIGN_IN.plain_issuer)
        else:
            policy = DATA
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        if settings.SECURE_HSTS_SECONDS:
            headers.setdefault("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}")
        return response
