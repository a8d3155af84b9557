"""The HTTP client an action is given: bound to one integration, its address and credential.

Everything it sends leaves through ``hub.lib.outbound``. It adds the base URL and the
authentication, turns answers that are no success into the errors of ``integrations.base.errors``,
and keeps a redacted copy of every exchange for the integration log.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from hub.lib import outbound, tracing
from hub.lib.compact import compact
from hub.lib.redaction import Redactor
from integrations.base.errors import PermanentError, RateLimited, TransientError
from integrations.base.limits import LimitHeaders, told_wait

#: A send function: what the door is to this client. Tests and the preview put their own here.
Transport = Callable[["Outgoing", outbound.Policy], "outbound.Response"]


@dataclass(slots=True)
class Outgoing:
    """A request on its way out; an auth scheme may still change headers, query and body."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    #: Called when the connection is open, just before the request leaves.
    ready: Callable[[], None] | None = None


def through_door(outgoing: Outgoing, policy: outbound.Policy) -> outbound.Response:
    """The real transport: the one door, looked up at each call so that tests replace it once."""
    return outbound.send(
        outgoing.method, outgoing.url, outgoing.headers, outgoing.body, policy, outgoing.ready
    )


@dataclass(slots=True)
class Exchange:
    """One request and its answer, redacted, as the integration log keeps it."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: str
    status: int | None
    response_headers: Mapping[str, str]
    response_body: str
    duration_ms: int
    error: str = ""


@dataclass(slots=True)
class Http:
    """Sends an action's requests.

    ``base_urls`` maps a host name of the declaration (``"default"``, ``"events"``) to its URL.
    ``sandbox_url`` set: every request goes there instead, path kept.
    """

    base_urls: Mapping[str, str]
    authorize: Callable[[Outgoing], None]
    classify: Callable[[outbound.Response], None]
    policy: outbound.Policy
    redactor: Redactor
    transport: Transport
    sandbox_url: str = ""
    default_headers: Mapping[str, str] = field(default_factory=dict)
    renew: Callable[[], bool] | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    limit_headers: Sequence[LimitHeaders] = ()
    #: Called when a request's connection is open, just before it leaves; it may wait, and what it raises
    #: stops the request.
    admit: Callable[[], None] | None = None
    #: Seconds that the provider's limit asks to wait, by the headers of the latest answer; 0: none.
    wait: float = 0.0
    #: Seconds that the latest request waited for its admission: none of the provider's.
    _held: float = 0.0

    def get(self, path: str, **options: Any) -> outbound.Response:
        """GET; see ``request``."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> outbound.Response:
        """POST; see ``request``."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> outbound.Response:
        """PUT; see ``request``."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> outbound.Response:
        """PATCH; see ``request``."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> outbound.Response:
        """DELETE; see ``request``."""
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        host: str = "default",
        params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: bool = True,
        check: bool = True,
    ) -> outbound.Response:
        """Send one request and return its answer.

        ``path`` is joined to the base URL of ``host``, or is an absolute URL. One of ``json``,
        ``form`` (nested values become ``a[b][0]=x``) and ``body`` may be given. With ``check``
        an answer that is no success raises an IntegrationError; without, it is returned.
        A refused access token is renewed once, where the scheme can.
        """
        outgoing = Outgoing(method, self._url(path, host, params), dict(self.default_headers))
        if json is not None:
            outgoing.body = compact(json)
            outgoing.headers["Content-Type"] = "application/json"
        elif form is not None:
            outgoing.body = urlencode(list(flatten(form))).encode()
            outgoing.headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None:
            outgoing.body = body
        outgoing.headers.update(headers or {})
        response = self._send_authorized(outgoing, auth)
        if check:
            self._check(response)
        return response

    def _check(self, response: outbound.Response) -> None:
        """Raise what an answer that is no success means; a limit without a time takes that of the headers."""
        try:
            self.classify(response)
        except RateLimited as error:
            if error.retry_after is None and self.wait:
                error.retry_after = self.wait
            raise

    def send_raw(self, outgoing: Outgoing) -> outbound.Response:
        """Send a request that somebody else (an SDK) built and signed; nothing is added or checked."""
        outgoing.url = self.sandboxed(outgoing.url)
        return self._exchange(outgoing)

    def _send_authorized(self, outgoing: Outgoing, auth: bool) -> outbound.Response:
        bare = dict(outgoing.headers)
        if auth:
            self.authorize(outgoing)
        response = self._exchange(outgoing)
        if response.status == 401 and auth and self.renew is not None and self.renew():
            outgoing.headers = bare
            self.authorize(outgoing)
            response = self._exchange(outgoing)
        return response

    def _url(self, path: str, host: str, params: Any) -> str:
        absolute = path.startswith(("http://", "https://"))
        url = path if absolute else self.base_urls[host].rstrip("/") + path
        if params:
            pairs = list(flatten(params)) if isinstance(params, Mapping) else list(params)
            url += ("&" if "?" in url else "?") + urlencode(pairs)
        return self.sandboxed(url)

    def sandboxed(self, url: str) -> str:
        """Return ``url`` at the sandbox instead of the provider, where this client is set to it."""
        if not self.sandbox_url or url.startswith(self.sandbox_url):
            return url
        parts = urlsplit(url)
        return self.sandbox_url + parts.path + (f"?{parts.query}" if parts.query else "")

    def _exchange(self, outgoing: Outgoing) -> outbound.Response:
        self._held = 0.0
        if self.admit is not None:
            outgoing.ready = self._admit
        started = time.perf_counter()
        try:
            with tracing.outbound_span(outgoing.method, outgoing.url) as span:
                response = self.transport(outgoing, self.policy)
                if span:
                    span.set_attribute("http.response.status_code", response.status)
        except outbound.OutboundError as error:
            self._keep(outgoing, None, started, str(error))
            kind = TransientError if error.retryable else PermanentError
            raise kind(str(error), hint=error.hint) from error
        if self.limit_headers:
            self.wait = told_wait(self.limit_headers, response.status, response.headers)
        self._keep(outgoing, response, started, "")
        return response

    def _admit(self) -> None:
        if self.admit is not None:
            began = time.perf_counter()
            self.admit()
            self._held = time.perf_counter() - began

    def _keep(
        self, outgoing: Outgoing, response: outbound.Response | None, started: float, error: str
    ) -> None:
        hide = self.redactor
        self.exchanges.append(
            Exchange(
                method=outgoing.method,
                url=hide.url(outgoing.url),
                request_headers=hide.headers(outgoing.headers),
                request_body=hide.body(outgoing.body or b"", outgoing.headers.get("Content-Type", "")),
                status=response.status if response else None,
                response_headers=hide.headers(response.headers) if response else {},
                response_body=hide.body(response.body, response.headers.get("content-type", ""))
                if response
                else "",
                duration_ms=int((time.perf_counter() - started - self._held) * 1000),
                error=hide.text(error),
            )
        )


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield form fields for nested data: ``{"a": {"b": [1]}}`` becomes ``a[b][0]=1``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}[{key}]" if prefix else str(key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from flatten(inner, f"{prefix}[{position}]")
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    elif value is not None:
        yield prefix, str(value)
