"""What every test may use: the fake outbound door, and a guard against the public internet."""

import ipaddress
import json as jsonlib
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import settings as examples

from hub.lib import outbound

pytest_plugins = ["tests.plugins.browser"]

# A busy machine is no finding. Where CI is set, hypothesis takes a profile of its own: no deadline, the same
# examples in each run.
if not os.environ.get("CI"):
    examples.register_profile("patient", deadline=None)
    examples.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _whole_house() -> None:
    """Import all that the addresses lead to before a test puts anything in another's place.

    A module that is first imported while the registry of providers is a fake would keep the fake.
    """
    import_module("hub.urls")


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """Let no test's workers leave the process but a part of the limits."""
    yield
    beats = sys.modules.get("hub.delivery.beats")
    if beats is not None:
        beats.place.__init__()


@dataclass(frozen=True)
class Sent:
    """One request that reached the fake door. Header names as they were sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    policy: outbound.Policy

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.url).query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def json(self) -> Any:
        return jsonlib.loads(self.body)

    def header(self, name: str) -> str:
        """The header's value, whatever the case of its name; empty where there is none."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


Match = str | Callable[[Sent], bool]


@dataclass
class _Script:
    method: str
    match: Match
    reply: Callable[[Sent], outbound.Response]
    times: int | None

    def fits(self, sent: Sent) -> bool:
        if self.times == 0 or self.method not in ("*", sent.method):
            return False
        if callable(self.match):
            return self.match(sent)
        whole = sent.url if "://" in self.match else sent.path
        return whole == self.match or ("://" in self.match and sent.url.split("?")[0] == self.match)


@dataclass
class Door:
    """A fake of ``outbound.send``: answers as scripted, keeps what was sent, refuses the rest.

    Scripts are tried in the order they were given; one with ``times`` is used up.
    """

    requests: list[Sent] = field(default_factory=list)
    unanswered: list[Sent] = field(default_factory=list)
    _scripts: list[_Script] = field(default_factory=list)

    def answer(
        self,
        method: str,
        match: Match,
        status: int = 200,
        *,
        json: Any = None,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> None:
        """Answer requests of ``method`` (``*``: any) to a path, a full URL, or that a function picks.

        ``json`` may be a function of the request. ``times``: how often; None: always.
        """
        names = {name.lower(): value for name, value in (headers or {}).items()}
        raw = body.encode() if isinstance(body, str) else body

        def reply(sent: Sent) -> outbound.Response:
            value = json(sent) if callable(json) else json
            content = raw if value is None else jsonlib.dumps(value).encode()
            kind = {} if value is None else {"content-type": "application/json"}
            return outbound.Response(status, kind | names, content, sent.url)

        self._scripts.append(_Script(method, match, reply, times))

    def fail(
        self,
        method: str,
        match: Match,
        error: outbound.OutboundError | None = None,
        *,
        times: int | None = None,
    ) -> None:
        """Raise ``error`` (by default: the connection was lost) for such requests."""

        def reply(sent: Sent) -> outbound.Response:
            raise error or outbound.ConnectFailed("The connection was lost before it answered.")

        self._scripts.append(_Script(method, match, reply, times))

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        policy: outbound.Policy,
        ready: Callable[[], None] | None = None,
    ) -> outbound.Response:
        """Stand in for ``outbound.send``."""
        if ready is not None:
            ready()
        sent = Sent(method, url, dict(headers), body or b"", policy)
        self.requests.append(sent)
        for script in self._scripts:
            if script.fits(sent):
                if script.times is not None:
                    script.times -= 1
                return script.reply(sent)
        self.unanswered.append(sent)
        raise AssertionError(f"Nobody scripted an answer to {method} {url}.")

    @property
    def last(self) -> Sent:
        """The latest request."""
        return self.requests[-1]


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The fake outbound door; a request that nobody scripted fails the test, also if swallowed."""
    fake = Door()
    monkeypatch.setattr(outbound, "send", fake.send)
    yield fake
    missing = [f"{sent.method} {sent.url}" for sent in fake.unanswered]
    assert not missing, f"Requests that nobody scripted an answer to: {missing}"


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Let no test reach a public address."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(str(address[0])):
            raise AssertionError(f"A test tried to reach {address[0]}; only loopback is allowed.")
        real(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
