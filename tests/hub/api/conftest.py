"""A client that calls the API with a key."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.test import Client

from hub.accounts.models import Organization, Scope
from hub.api.authentication import keys
from hub.lib import throttle
from tests.factories import OrganizationFactory, api_key

PROBLEM = "application/problem+json"


class API:
    """Calls with one key; answers are Django's test responses."""

    def __init__(self, organization: Organization, scopes: Any = tuple(Scope)):
        self.organization = organization
        self.key = api_key(organization, scopes)
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(path, query, headers=self.headers)

    def post(self, path: str, data: Any = None, kind: str = "application/json", **headers: str) -> Any:
        body = data if isinstance(data, bytes) else orjson.dumps(data)
        names = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.generic("POST", path, body, content_type=kind, headers=names)

    def send(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        """Call with any method; header names with underscores."""
        names = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        body = data if isinstance(data, bytes) else orjson.dumps(data)
        return self.client.generic(method, path, body, content_type="application/json", headers=names)

    def patch(self, path: str, data: Any, match: str = "*") -> Any:
        return self.send("PATCH", path, data, If_Match=match)

    def delete(self, path: str, match: str = "*") -> Any:
        return self.send("DELETE", path, b"", If_Match=match)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    throttle.forget()
    keys.clear()
    yield
    throttle.forget()
    keys.clear()


@pytest.fixture
def api(db: Any) -> API:
    return API(OrganizationFactory())


@pytest.fixture
def hub(settings: Any) -> Callable[..., None]:
    """Change fields of the hub's settings."""

    def change(**fields: Any) -> None:
        settings.HUB = dataclasses.replace(settings.HUB, **fields)

    return change
