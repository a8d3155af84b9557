"""A stand-in for every provider, on one port: ``/<slug>/<path>`` is answered from the fixtures.

It needs neither Django nor a network. ``GET /__requests__`` lists what it received, newest first
(``?slug=``, ``?limit=``); ``DELETE /__requests__`` forgets it; ``POST /__fail__`` scripts failures:
``{"slug", "status", "times", "headers"?, "path"?, "body"?, "delay"?}``. Start it by
``python -m integrations.base.sandbox --port 8009``.
"""

import argparse
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from hub.lib.outbound import Response
from integrations.base.fixtures import Canned, FixtureError, Request, canned_answers, encode, find_answer
from integrations.base.provider import Provider
from integrations.base.registry import providers
from integrations.base.sandbox_oauth import SignIns
from integrations.base.sandbox_page import render

#: Requests that are remembered.
KEEP = 500
#: Bytes of a body that are taken, and characters of it that are remembered.
MAX_BODY = 30 * 1024 * 1024
KEEP_BODY = 64 * 1024

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(slots=True)
class Failure:
    """A scripted failure: the next ``times`` requests to a provider get this answer."""

    slug: str
    status: int
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    body: Any = None
    delay: float = 0.0

    def takes(self, slug: str, path: str) -> bool:
        """Whether it applies to a request, by provider and part of the path."""
        return self.times > 0 and self.slug in ("", "*", slug) and self.path in path


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it is listed."""

    number: int
    at: str
    slug: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    status: int
    answered_by: str


class Sandbox:
    """A WSGI application that plays the given providers (all that are installed, if left out)."""

    def __init__(self, played: Mapping[str, Provider] | None = None):
        self._providers = providers() if played is None else played
        self._answers: dict[str, list[Canned]] = {}
        self._received: deque[Received] = deque(maxlen=KEEP)
        self._failures: list[Failure] = []
        self._lock = threading.Lock()
        self._count = 0
        self._sign_ins = SignIns()

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        request = _read(environ)
        if request is None:
            response = _json(413, {"title": "Too large", "detail": f"The sandbox takes {MAX_BODY} bytes."})
        else:
            response = self.answer(request)
        headers = [(name.title(), value) for name, value in response.headers.items()]
        headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} {_REASONS.get(response.status, 'Sandbox')}", headers)
        return [] if request is not None and request.method == "HEAD" else [response.body]

    def answer(self, request: Request) -> Response:
        """Return the answer to any request."""
        own = {
            "/": self._page,
            "/healthz": lambda _: _json(200, {"status": "ok"}),
            "/__requests__": self._requests,
            "/__fail__": self._fail,
        }
        handler = own.get(request.path)
        return handler(request) if handler else self._play(request)

    @property
    def received(self) -> list[Received]:
        """What was received, newest first."""
        with self._lock:
            return list(reversed(self._received))

    def fail(self, failure: Failure) -> None:
        """Script a failure; ``times`` 0 takes the provider's failures back."""
        with self._lock:
            if failure.times <= 0:
                self._failures = [one for one in self._failures if one.slug != failure.slug]
            else:
                self._failures.append(failure)

    def _play(self, request: Request) -> Response:
        slug, _, rest = request.path[1:].partition("/")
        inner = Request(request.method, f"/{rest}", request.query, request.headers, request.body)
        failure = self._take_failure(slug, inner.path)
        if failure:
            time.sleep(failure.delay)
            body = {"error": "scripted failure"} if failure.body is None else failure.body
            raw, media_type = encode(body)
            response = Response(failure.status, {"content-type": media_type, **failure.headers}, raw)
            self._remember(slug, inner, response.status, "a scripted failure")
            return response
        response, source = self._from_fixtures(slug, inner)
        self._remember(slug, inner, response.status, source)
        return response

    def _from_fixtures(self, slug: str, request: Request) -> tuple[Response, str]:
        provider = self._providers.get(slug)
        if provider is None:
            known = sorted(self._providers)
            detail = f"The sandbox plays no provider {slug!r}."
            return _problem(404, {"title": "Unknown provider", "detail": detail, "providers": known}), ""
        signed_in = self._sign_ins.answer(provider, request)
        if signed_in is not None:
            return signed_in, "the sandbox's sign-in"
        if slug not in self._answers:
            try:
                self._answers[slug] = canned_answers(provider)
            except FixtureError as error:
                return _problem(500, {"title": "Broken fixtures", "detail": str(error)}), ""
        canned = find_answer(self._answers[slug], request)
        if canned is None:
            known = sorted({f"{one.method} {one.path}" for one in self._answers[slug]})
            detail = f"{provider.name} has no fixture for {request.method} {request.path}."
            return _problem(404, {"title": "Unknown path", "detail": detail, "known_paths": known}), ""
        return canned.answer(request), canned.source

    def _take_failure(self, slug: str, path: str) -> Failure | None:
        with self._lock:
            failure = next((one for one in self._failures if one.takes(slug, path)), None)
            if failure:
                failure.times -= 1
            self._failures = [one for one in self._failures if one.times > 0]
            return failure

    def _remember(self, slug: str, request: Request, status: int, source: str) -> None:
        with self._lock:
            self._count += 1
            self._received.append(
                Received(
                    number=self._count,
                    at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                    slug=slug,
                    method=request.method,
                    path=request.path,
                    query=request.query,
                    headers=request.headers,
                    body=request.body[:KEEP_BODY].decode("utf-8", "replace"),
                    status=status,
                    answered_by=source,
                )
            )

    def _page(self, request: Request) -> Response:
        names = {slug: provider.name for slug, provider in self._providers.items()}
        chosen = request.query.get("slug", "")
        page = render([one for one in self.received if chosen in ("", one.slug)][:100], names, chosen)
        headers = {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return Response(200, headers, page.encode())

    def _requests(self, request: Request) -> Response:
        if request.method == "DELETE":
            with self._lock:
                self._received.clear()
            return Response(204, {})
        chosen, limit = request.query.get("slug", ""), request.query.get("limit", "")
        found = [asdict(one) for one in self.received if chosen in ("", one.slug)]
        return _json(200, found[: int(limit)] if limit.isdecimal() else found)

    def _fail(self, request: Request) -> Response:
        held = request.json()
        try:
            failure = Failure(**held)
            failure.status, failure.times = int(failure.status), int(failure.times)
        except (TypeError, ValueError):
            detail = "Send an object with slug and status; times, headers, path, body and delay are optional."
            return _problem(400, {"title": "Malformed failure", "detail": detail})
        self.fail(failure)
        return _json(200, asdict(failure))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """The page lists the requests; the terminal stays quiet."""

    def address_string(self) -> str:
        """Never look a name up."""
        return str(self.client_address[0])


def make(host: str = "127.0.0.1", port: int = 0, app: Sandbox | None = None) -> WSGIServer:
    """Return a bound server (``server_port`` tells the port taken); OSError where the port is taken."""
    return make_server(host, port, app or Sandbox(), server_class=_Server, handler_class=_Handler)


def serve(host: str = "127.0.0.1", port: int = 8009) -> None:
    """Serve until interrupted."""
    with make(host, port) as server:
        server.serve_forever(poll_interval=0.2)


def _read(environ: Mapping[str, Any]) -> Request | None:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MAX_BODY:
        return None
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    path = environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace") or "/"
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    return Request(environ["REQUEST_METHOD"], path, query, headers, environ["wsgi.input"].read(length))


def _json(status: int, body: Any) -> Response:
    raw, media_type = encode(body)
    return Response(status, {"content-type": media_type}, raw)


def _problem(status: int, body: dict[str, Any]) -> Response:
    raw, _ = encode({"status": status, **body})
    return Response(status, {"content-type": "application/problem+json"}, raw)


_REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    302: "Found",
    400: "Bad Request",
    404: "Not Found",
}


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Play every provider from its fixtures.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8009)
    options = parser.parse_args()
    try:
        serve(options.host, options.port)
    except KeyboardInterrupt:
        return
    except OSError as error:
        detail = json.dumps(f"{options.host}:{options.port}")
        raise SystemExit(f"The sandbox cannot listen on {detail}: {error.strerror}.") from None


if __name__ == "__main__":
    main()
