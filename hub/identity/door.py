"""django-allauth's way out: its requests leave by the hub's one outbound door."""

from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from hub.lib import outbound


class DoorAdapter(BaseAdapter):
    """Sends what a ``requests.Session`` prepared; raises requests' own errors, which allauth knows."""

    def send(  # type: ignore[no-untyped-def]
        self,
        request: requests.PreparedRequest,
        stream=False,
        timeout=None,
        verify=True,
        cert=None,
        proxies=None,
    ) -> requests.Response:
        """Return the answer; raise requests.ConnectionError for whatever the door refuses or cannot do."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        own = ("content-length", "connection", "accept-encoding")
        headers = {name: str(value) for name, value in request.headers.items() if name.lower() not in own}
        try:
            sent = outbound.send(request.method or "GET", request.url or "", headers, body, policy())
        except outbound.OutboundError as error:
            raise requests.ConnectionError(str(error), request=request) from error
        answer = requests.Response()
        answer.status_code, answer.headers = sent.status, CaseInsensitiveDict(sent.headers)
        answer._content, answer.url, answer.request = sent.body, sent.url, request
        answer.encoding = requests.utils.get_encoding_from_headers(answer.headers)
        return answer

    def close(self) -> None:
        """The door keeps its connections."""


def session() -> requests.Session:
    """Return a session that follows no redirect out of the door's sight and keeps no proxies."""
    made = requests.Session()
    made.trust_env = False
    made.max_redirects = 3
    for scheme in ("https://", "http://"):
        made.mount(scheme, DoorAdapter())
    return made


def policy() -> outbound.Policy:
    """The operator named the issuer by its URL, so it may be on a private network; nobody else may."""
    host = urlsplit(settings.SIGN_IN.oidc_issuer).netloc.rpartition("@")[2]
    allowed = frozenset({host.lower(), (urlsplit(settings.SIGN_IN.oidc_issuer).hostname or "")} - {""})
    return outbound.Policy(allowed_hosts=allowed, read_timeout=10.0, total_timeout=15.0)
