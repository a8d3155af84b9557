"""Drives a provider's declaration over real sockets, against the providers' own API descriptions.

The folder with the descriptions and the server that holds requests against them is named by
``CONTRACTS_DIR``, or lies beside the project.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from hub.lib import outbound
from integrations.base.fixtures import CallFixture
from integrations.base.http import Outgoing
from integrations.base.inputs import read_input
from integrations.base.provider import Action, Context, Provider
from integrations.base.registry import providers
from integrations.base.samples import sample_context

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / (os.environ.get("CONTRACTS_DIR") or Path("..", "shared", "contracts"))
LOOPBACK = "127.0.0.1"


def description_of(provider: Provider) -> str:
    """The name under which the provider's API would be described."""
    return provider.contract or provider.slug


def described_providers() -> list[Provider]:
    """Every provider that is found and described; every one found, where the folder is absent."""
    found = [provider for _, provider in sorted(providers().items())]
    names = {path.stem for path in FOLDER.glob("specs/*.json")}
    return [provider for provider in found if not names or description_of(provider) in names]


@dataclass(frozen=True)
class Driver:
    """Sends one provider's requests to the server that knows its description.

    What no description covers (``Provider.undescribed``) goes to the built-in sandbox, over a
    socket as well; the provider's official SDK holds such requests in ``test_sdk.py``.
    """

    provider: Provider
    contracts: Any
    sandbox_url: str
    #: Paths that went to the sandbox instead.
    undescribed: list[str] = field(default_factory=list)

    def context(self, auth: str, overrides: Mapping[str, Any] | None = None) -> Context:
        """A context whose requests leave through the real door."""
        ctx = sample_context(self.provider, self._transport, auth=auth, overrides=overrides)
        ctx.http.sandbox_url = self._described_url
        ctx.http.policy = outbound.Policy(allowed_hosts=frozenset({LOOPBACK}), read_timeout=10)
        return ctx

    def context_for(self, fixture: CallFixture) -> Context:
        """A context with the settings that a fixture asks for."""
        return self.context(fixture.auth, {**fixture.settings, **fixture.secrets})

    def input(self, action: Action, fixture: CallFixture) -> BaseModel:
        """The fixture's input, as the action takes it."""
        return read_input(action.input, fixture.input)

    @property
    def seen(self) -> list[Any]:
        """The requests of this provider that were held against its description."""
        return [one for one in self.contracts.requests if one.provider == description_of(self.provider)]

    def assert_kept(self, ctx: Context) -> None:
        """Every request that left is right, and was held against something."""
        assert self.contracts.violations == [], json.dumps(self.contracts.violations, indent=2)
        assert ctx.http.exchanges, "The provider sent no request at all."
        assert len(self.seen) + len(self.undescribed) == len(ctx.http.exchanges)

    @property
    def _described_url(self) -> str:
        return str(self.contracts.url(description_of(self.provider)))

    def _transport(self, outgoing: Outgoing, policy: outbound.Policy) -> outbound.Response:
        url, rest = outgoing.url, outgoing.url.removeprefix(self._described_url)
        path = urlsplit(rest).path
        if any(fnmatch(path, pattern) for pattern in self.provider.undescribed):
            self.undescribed.append(path)
            url = f"{self.sandbox_url}/{self.provider.slug}{rest}"
        return outbound.send(outgoing.method, url, outgoing.headers, outgoing.body, policy)
