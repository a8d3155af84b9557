"""A provider's fixtures: what it would answer, and what its webhooks look like.

One set of files serves the sandbox, the preview and the contract tests:

- ``fixtures/actions/<action>.json`` and ``fixtures/pulls/<pull>.json``: ``input``, ``exchanges``,
  ``result``; ``auth``, ``settings`` and ``secrets`` where the samples of the fields do not do;
  ``also``: exchanges that the sandbox knows beyond those of this one run.
- ``fixtures/tests/<auth key>.json``: exchanges under ``ok`` and ``refused``; ``account``: the id that
  ``ok`` tells of the connected account; ``token``: what a token endpoint answers beside the tokens.
- ``fixtures/webhooks/<event type>.json``: ``headers``, ``content_type``, ``body``, ``notices``.

An exchange is ``{"request": {"method", "path", "match"?}, "response": {"status"?, "headers"?, "body"?,
"echo"?}}``. A path may hold ``{placeholders}``; ``{rest*}`` stands for any number of segments,
and the method ``*`` for any.
``match`` are values that the request's JSON, form or query must hold (null: must lack). ``echo`` is a
JMESPath over the request (``json``, ``form``, ``query``, ``path``) whose fields are laid over ``body``.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import jmespath

from hub.lib import outbound
from integrations.base.http import Outgoing
from integrations.base.provider import Provider
from integrations.base.samples import ACCESS_TOKEN, sample_values
from integrations.base.webhooks import WebhookEvent


class FixtureError(Exception):
    """A fixture is missing or malformed; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as fixtures are matched against it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, outgoing: Outgoing) -> "Request":
        """Read a request on its way out."""
        parts = urlsplit(outgoing.url)
        headers = {name.lower(): value for name, value in outgoing.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(outgoing.method, unquote(parts.path), query, headers, outgoing.body or b"")

    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None

    def form(self) -> dict[str, str]:
        """The body as form fields; empty where it is no form."""
        if "form-urlencoded" not in self.headers.get("content-type", ""):
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Canned:
    """One exchange of a fixture: which request it fits, and the answer."""

    source: str
    method: str
    path: str
    match: Mapping[str, Any]
    status: int
    headers: Mapping[str, str]
    body: Any
    echo: str

    @property
    def specific(self) -> tuple[int, int, int]:
        """Sorts the most specific exchange first."""
        return (-len(self.match), self.path.count("*}"), self.path.count("{"))

    def placeholders(self, path: str) -> dict[str, str] | None:
        """Return the values of the path's placeholders, or None where ``path`` does not fit."""
        found = _template(self.path).fullmatch(path)
        return None if found is None else found.groupdict()

    def fits(self, request: Request) -> bool:
        """Whether this exchange answers ``request``."""
        if self.method not in ("*", request.method) or self.placeholders(request.path) is None:
            return False
        body = request.json()
        held = {**request.query, **request.form(), **(body if isinstance(body, dict) else {})}
        return all(held.get(name) == value for name, value in self.match.items())

    def answer(self, request: Request) -> outbound.Response:
        """Return the answer to ``request``."""
        body = self.body
        if self.echo:
            view = {"json": request.json(), "form": request.form(), "query": dict(request.query)}
            said = jmespath.search(self.echo, {**view, "path": self.placeholders(request.path) or {}})
            body = {**body, **said} if isinstance(body, dict) and isinstance(said, dict) else said
        raw, media_type = encode(body)
        headers = {"content-type": media_type} | {k.lower(): v for k, v in self.headers.items()}
        return outbound.Response(self.status, headers, raw, request.path)


@dataclass(frozen=True, slots=True)
class CallFixture:
    """How one action or pull goes: its input, what travels, what comes out."""

    name: str
    file: str
    input: Mapping[str, Any]
    exchanges: tuple[Canned, ...]
    result: Mapping[str, Any]
    auth: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Canned, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookFixture:
    """A webhook's body, and the notices that are read from it."""

    file: str
    headers: Mapping[str, str]
    body: bytes
    notices: tuple[Mapping[str, Any], ...]
    method: str = "POST"

    @property
    def types(self) -> list[str]:
        """The event types it holds."""
        return [str(notice.get("type", "")) for notice in self.notices]


def encode(body: Any) -> tuple[bytes, str]:
    """Return the bytes and the media type of a fixture's body: text as it is, all else as JSON."""
    if body is None:
        return b"", "text/plain; charset=utf-8"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), "application/json"


def call_fixture(provider: Provider, kind: str, name: str) -> CallFixture:
    """Return the fixture of an action (``kind`` "actions") or pull ("pulls"); raise FixtureError."""
    path = provider.folder / "fixtures" / kind / f"{name}.json"
    held, file = _read(path), _shown(path)
    exchanges = _exchanges(held.get("exchanges"), file)
    return CallFixture(
        name=name,
        file=file,
        input=held.get("input", {}),
        exchanges=exchanges,
        result=held.get("result", {}),
        auth=held.get("auth", ""),
        settings=held.get("settings", {}),
        secrets=held.get("secrets", {}),
        also=_exchanges(held["also"], file) if "also" in held else (),
    )


def test_fixture(provider: Provider, auth_key: str) -> dict[str, tuple[Canned, ...]]:
    """Return the exchanges of a connection test under "ok" and "refused"; raise FixtureError."""
    path = provider.folder / "fixtures" / "tests" / f"{auth_key}.json"
    held = _read(path)
    return {case: _exchanges(held.get(case), f"{_shown(path)} ({case})") for case in ("ok", "refused")}


def account_fixture(provider: Provider, auth_key: str) -> str:
    """Return the id of the connected account that the exchanges under "ok" tell; raise FixtureError."""
    return str(_read(provider.folder / "fixtures" / "tests" / f"{auth_key}.json").get("account", ""))


def token_fixture(provider: Provider, auth_key: str) -> dict[str, Any]:
    """Return what the provider's token endpoint says beside the tokens (an account's id); often nothing."""
    held = _read(provider.folder / "fixtures" / "tests" / f"{auth_key}.json").get("token", {})
    return dict(held) if isinstance(held, dict) else {}


def fits_path(template: str, path: str) -> bool:
    """Whether ``path`` is one that ``template``, with its ``{placeholders}``, stands for."""
    return bool(template) and _template(template).fullmatch(path) is not None


def webhook_fixtures(provider: Provider) -> list[WebhookFixture]:
    """Return every webhook body there is, by file name."""
    folder = provider.folder / "fixtures" / "webhooks"
    return [_webhook(path) for path in sorted(folder.glob("*.json"))]


def event_matches(event: WebhookEvent, kind: str) -> bool:
    """Whether an event type is the declared one; a declared type may end in ``*``."""
    return kind.startswith(event.type[:-1]) if event.type.endswith("*") else kind == event.type


def canned_answers(provider: Provider) -> list[Canned]:
    """Return every successful exchange of a provider, the most specific first."""
    return sorted(_every_exchange(provider), key=lambda canned: canned.specific)


def find_answer(answers: Iterable[Canned], request: Request) -> Canned | None:
    """Return the first exchange that fits ``request``.

    A base URL may bring a path of its own (``https://host/api``), which fixtures may leave out.
    """
    known = list(answers)
    segments = request.path.split("/")
    for skip in range(1, max(2, len(segments))):
        path = "/" + "/".join(segments[skip:])
        shorter = Request(request.method, path, request.query, request.headers, request.body)
        for canned in known:
            if canned.fits(shorter) and (skip == 1 or "*}" not in canned.path):
                return canned
    return None


def fixture_transport(provider: Provider) -> Callable[[Outgoing, outbound.Policy], outbound.Response]:
    """Return a transport that answers from the fixtures, in this process; nothing leaves it."""
    answers = canned_answers(provider)

    def transport(outgoing: Outgoing, policy: outbound.Policy) -> outbound.Response:
        request = _without_slug(Request.of(outgoing), provider.slug)
        canned = find_answer(answers, request)
        if canned is None:
            problem = {"title": "Not found", "detail": f"No fixture answers {request.method} {request.path}."}
            raw, media_type = encode(problem)
            return outbound.Response(404, {"content-type": media_type}, raw, outgoing.url)
        return canned.answer(request)

    return transport


def _without_slug(request: Request, slug: str) -> Request:
    prefix = f"/{slug}/"
    if not request.path.startswith(prefix):
        return request
    path = request.path[len(prefix) - 1 :]
    return Request(request.method, path, request.query, request.headers, request.body)


def _every_exchange(provider: Provider) -> Iterator[Canned]:
    calls = [("actions", action.name) for action in provider.actions]
    calls += [("pulls", pull.name) for pull in provider.pulls]
    for kind, name in calls:
        fixture = call_fixture(provider, kind, name)
        yield from (*fixture.exchanges, *fixture.also)
    for scheme in provider.auth:
        yield from test_fixture(provider, scheme.key)["ok"]
        if scheme.token is not None and not scheme.token.discover:
            yield _token_answer(provider, scheme.key, scheme.token.token_url)


def _token_answer(provider: Provider, auth_key: str, token_url: str) -> Canned:
    """Every token endpoint answers alike (RFC 6749 §5.1); no fixture has to say it."""
    settings, _ = sample_values(provider.fields_for(auth_key))
    body = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600}
    path = urlsplit(token_url.format_map(settings)).path
    return Canned(f"the token endpoint of {provider.name}", "POST", path, {}, 200, {}, body, "")


def _exchanges(held: Any, file: str) -> tuple[Canned, ...]:
    if not isinstance(held, list) or not held:
        raise FixtureError(f"{file} lists no exchanges; give at least one request and its response.")
    return tuple(_canned(entry, file) for entry in held)


def _canned(entry: Any, file: str) -> Canned:
    try:
        request, response = entry["request"], entry["response"]
        parts = urlsplit(request["path"])
        match = dict(parse_qsl(parts.query, keep_blank_values=True)) | request.get("match", {})
        return Canned(
            source=file,
            method=request["method"].upper(),
            path=parts.path,
            match=match,
            status=int(response.get("status", 200)),
            headers=response.get("headers", {}),
            body=response.get("body"),
            echo=response.get("echo", ""),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise FixtureError(
            f"{file} has an exchange that lacks request.method, request.path or response."
        ) from None


def _webhook(path: Path) -> WebhookFixture:
    held = _read(path)
    if "body" not in held or not isinstance(held.get("notices"), list):
        raise FixtureError(f"{_shown(path)} needs 'body' and 'notices'.")
    raw, media_type = encode(held["body"])
    content_type = held.get("content_type") or ("application/json" if raw[:1] in b"[{" else media_type)
    if "form-urlencoded" in content_type and isinstance(held["body"], dict):
        fields = {k: v if isinstance(v, str) else encode(v)[0].decode() for k, v in held["body"].items()}
        raw = urlencode(fields).encode()
    headers = {"content-type": content_type} | {k.lower(): v for k, v in held.get("headers", {}).items()}
    return WebhookFixture(_shown(path), headers, raw, tuple(held["notices"]), held.get("method", "POST"))


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FixtureError(f"{_shown(path)} is missing.") from None
    except ValueError as error:
        raise FixtureError(f"{_shown(path)} is not JSON: {error}.") from None
    if not isinstance(held, dict):
        raise FixtureError(f"{_shown(path)} must hold a JSON object.")
    return held


def _shown(path: Path) -> str:
    """The path as an author sees it: ``integrations/<slug>/fixtures/…``."""
    return "/".join(path.parts[-5:])


@lru_cache(maxsize=2048)
def _template(path: str) -> re.Pattern[str]:
    pattern = ""
    for part in re.split(r"(\{\w+\*?\})", path):
        if part.startswith("{"):
            name = part.strip("{}*")
            pattern += f"(?P<{name}>.*)" if part.endswith("*}") else f"(?P<{name}>[^/]+)"
        else:
            pattern += re.escape(part)
    return re.compile(pattern)
